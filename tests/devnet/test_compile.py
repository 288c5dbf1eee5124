from keeper.devnet.artifacts import COMPILED
from keeper.devnet.compile import compiled


def test_u5_the_committed_artifacts_are_what_the_sources_compile_to() -> None:
    fresh = compiled()
    assert set(COMPILED.glob("*.json")) == {path for path in fresh if path.parent == COMPILED}
    for path, content in fresh.items():
        assert path.read_bytes() == content, f"{path.name}: recompile contracts/"
