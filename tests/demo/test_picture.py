from pathlib import Path

from keeper.demo.picture import draw
from keeper.demo.summary import Books, Row, compare, summarise

ROWS = [
    Row(i, i * 288, 2_000.0 - i, 10.0, 0.0, -9.9 if i else 0.0, 0.5, 0.1, 12.0, gas_usd=2.0)
    for i in range(30)
]


def test_the_picture_is_a_png_worth_looking_at(tmp_path: Path) -> None:
    naive = compare(ROWS, 0.001)
    books = Books(30, 1, 1, 1, 1, 0, gas_usd=2.0, fees_usd=20.0)
    path = tmp_path / "demo.png"
    summary = summarise(ROWS, books, naive, seconds=1.0)
    draw(path, ROWS, [22.0] * len(ROWS), naive, summary)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert path.stat().st_size > 20_000
