from keeper.devnet.artifacts import COMPILED
from keeper.devnet.compile import compiled


def test_the_committed_artifacts_are_what_the_sources_compile_to() -> None:
    fresh = compiled()
    assert {path.name for path in COMPILED.glob("*.json")} == set(fresh)
    for name, content in fresh.items():
        assert (COMPILED / name).read_bytes() == content, f"{name}: recompile contracts/"
