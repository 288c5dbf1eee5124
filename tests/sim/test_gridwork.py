import numpy as np
import pytest

from keeper.sim.gridwork import first_kept, interpolated, kernel_matrix, lowest

GRID = np.linspace(-3.0, 5.0, 41)


def test_the_sampled_gaussian_has_the_moments_of_a_gaussian() -> None:
    places = np.arange(-10, 11) / 2.0
    weights = kernel_matrix(1, 10, 2)[0]
    assert weights @ places == pytest.approx(0.0, abs=1e-15)
    assert weights @ places**2 == pytest.approx(1.0, rel=3e-5)
    assert weights @ places**4 == pytest.approx(3.0, rel=3e-4)


def test_a_row_of_the_matrix_is_the_row_above_moved_by_one() -> None:
    matrix = kernel_matrix(3, 4, 1)
    assert matrix.shape == (3, 11)
    assert matrix[1].tolist() == [0.0, *matrix[0][:-1].tolist()]


@pytest.mark.parametrize("at", [-2.9, 0.0, 0.33, 4.95])
def test_a_parabola_is_read_off_exactly(at: float) -> None:
    costs = np.array([2.0 + GRID - 3.0 * GRID**2])
    assert interpolated(GRID, costs, np.array([at]))[0] == pytest.approx(2.0 + at - 3.0 * at**2)


@pytest.mark.parametrize(("bottom", "found"), [(0.33, 0.33), (-7.0, -3.0), (9.0, 5.0)])
def test_the_lowest_point_lies_between_grid_points_or_on_the_edge(
    bottom: float, found: float
) -> None:
    assert lowest(GRID, np.array([(GRID - bottom) ** 2]))[0] == pytest.approx(found)


def test_of_a_flat_row_some_point_is_the_lowest() -> None:
    assert lowest(GRID, np.zeros((1, 41)))[0] in GRID


def test_waiting_begins_where_it_costs_what_a_trade_costs() -> None:
    wait, traded = GRID**2, np.full_like(GRID, 4.2)
    first = first_kept(GRID, wait[None], traded[None])[0]
    assert first == pytest.approx(-np.sqrt(4.2), abs=2e-3)


def test_where_no_trade_pays_waiting_begins_before_the_grid() -> None:
    first = first_kept(GRID, np.zeros((1, 41)), np.ones((1, 41)))[0]
    assert first == pytest.approx(-3.2)


def test_from_above_the_grid_is_read_backwards() -> None:
    wait, traded = (GRID - 1.0) ** 2, np.full_like(GRID, 4.0)
    first = first_kept(GRID[::-1], wait[None, ::-1], traded[None, ::-1])[0]
    assert first == pytest.approx(3.0, abs=2e-3)
