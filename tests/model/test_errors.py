from keeper.model.errors import BadData, CallReverted, ConfigError, KeeperError


def test_an_error_says_what_with_which_values_and_what_to_do() -> None:
    error = BadData("price is stale", age_s=90, limit_s=60, remedy="check the feed")
    assert str(error) == (
        "price is stale [age_s=90 limit_s=60] check the feed (docs/runbook.md#bad-data)"
    )
    assert error.facts == {"age_s": 90, "limit_s": 60}


def test_an_error_without_facts_has_no_brackets() -> None:
    assert str(ConfigError("no books")) == "no books (docs/runbook.md#config)"


def test_a_revert_keeps_its_data() -> None:
    assert CallReverted("reverted", data=b"\x08\xc3").data == b"\x08\xc3"


def test_each_class_has_its_own_page_in_the_runbook() -> None:
    def leaves(kind: type[KeeperError]) -> list[type[KeeperError]]:
        return [kind, *(leaf for sub in kind.__subclasses__() for leaf in leaves(sub))]

    ours = [kind for kind in leaves(KeeperError) if kind.__module__ == "keeper.model.errors"]
    assert len({kind.runbook for kind in ours}) == len(ours)
