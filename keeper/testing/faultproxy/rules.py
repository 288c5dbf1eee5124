"""What can go wrong, and at which call: the vocabulary of faults.

A rule says which calls it concerns (`method`, `params`), which of those it leaves alone (`after`,
`times`, `probability`), and what happens to the others. In JSON the kind of fault stands under
`fault`; in Python it is the class:

    {"fault": "lose_response", "method": "eth_sendRawTransaction", "how": "reset", "times": 1}
    LoseResponse(method="eth_sendRawTransaction", how="reset", times=1)
"""

from typing import Annotated, Any, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from keeper.model.errors import ConfigError

Natural: TypeAlias = Annotated[int, Meta(ge=0)]
Positive: TypeAlias = Annotated[int, Meta(ge=1)]
Seconds: TypeAlias = Annotated[float, Meta(ge=0)]
Chance: TypeAlias = Annotated[float, Meta(ge=0, le=1)]
Silence: TypeAlias = Literal["reset", "hang", "502", "504"]


class Rule(
    Struct,
    frozen=True,
    kw_only=True,
    tag_field="fault",
    forbid_unknown_fields=True,
    omit_defaults=True,
):
    """Which calls are concerned; what happens to them is for the subclasses to say."""

    method: str = "*"
    """A glob over method names. One that begins with @ is for notifications: @newHeads, @logs."""
    params: dict[str, Any] = {}
    """Paths into the params and what must stand there, as in {"0.to": "0x..."}.

    Under `tx.` it is the raw transaction that a send carries: {"tx.nonce": 3}.
    """
    after: Natural = 0
    """How many matching calls pass first."""
    times: Positive | None = None
    """How often it strikes; None is always."""
    probability: Chance = 1.0
    """Drawn from the seed, call by call."""


class Latency(Rule, frozen=True, tag="latency"):
    """The call, or its answer, is under way for a while."""

    seconds: Seconds
    jitter_s: Seconds = 0.0
    """Up to this is added, drawn from the seed."""
    when: Literal["before", "after"] = "before"
    """The node is asked; later than usual, or as usual with a late answer."""


class Drop(Rule, frozen=True, tag="drop"):
    """The node never hears of the call. A dropped notification is simply not there."""

    how: Silence = "reset"


class LoseResponse(Rule, frozen=True, tag="lose_response"):
    """The node hears the call and acts on it; its answer is lost on the way back."""

    how: Silence = "reset"


class Duplicate(Rule, frozen=True, tag="duplicate"):
    """The node hears the call *n* times; a notification is told *n* times."""

    n: Annotated[int, Meta(ge=2)] = 2
    answer: Literal["first", "last"] = "last"
    """Which of the node's answers is handed on."""


class HttpStatus(Rule, frozen=True, tag="http_status"):
    """A gateway answers with a status instead of asking the node."""

    code: Annotated[int, Meta(ge=400, le=599)]
    retry_after: str | None = None
    """The header, in seconds or as a date."""
    body: str = ""


class RpcError(Rule, frozen=True, tag="rpc_error"):
    """The answer is an error object."""

    code: int = -32000
    message: str = "internal error"
    data: Any = UNSET
    reaches_node: bool = False
    """Whether the node hears the call all the same."""


class Malformed(Rule, frozen=True, tag="malformed"):
    """The node's answer arrives as something that is no answer."""

    how: Literal["html", "truncated", "empty", "text", "array"] = "html"


class WrongId(Rule, frozen=True, tag="wrong_id"):
    """The answer bears another id than the question; `stale` is that of the call before."""

    how: Literal["offset", "null", "string", "missing", "stale"] = "offset"


class NullResult(Rule, frozen=True, tag="null_result"):
    """The result is null, as that of a node whose index lags."""


class Stale(Rule, frozen=True, tag="stale"):
    """The answer is that of a node which is *lag* blocks behind; so is a @newHeads."""

    lag: Positive


class TruncateLogs(Rule, frozen=True, tag="truncate_logs"):
    """The result, a list or a receipt's `logs`, has holes."""

    keep: Natural | None = None
    """Only the first so many."""
    drop_every: Positive | None = None
    """Without each so manieth."""
    drop_last: Natural = 0
    """Without the last so many."""


class Mutate(Rule, frozen=True, tag="mutate"):
    """A part of the result is another."""

    path: str = ""
    """Keys and indexes with dots between, `*` for each of a list; empty is the whole result."""
    value: Any = UNSET
    """What stands there instead; without one, the part is deleted."""


class Drip(Rule, frozen=True, tag="drip"):
    """The answer comes in small pieces with a rest after each."""

    chunk_bytes: Positive = 1
    pause_s: Seconds = 0.01


class Oversize(Rule, frozen=True, tag="oversize"):
    """The answer is right and legal JSON, and at least *n_bytes* long, by blanks at its end."""

    n_bytes: Positive = 64_000_000


class BatchShuffle(Rule, frozen=True, tag="batch_shuffle"):
    """The answers of a batch come in another order."""


class BatchDropOne(Rule, frozen=True, tag="batch_drop_one"):
    """One answer of a batch is missing."""


class BatchAsObject(Rule, frozen=True, tag="batch_as_object"):
    """A batch is answered with one error object."""

    code: int = -32600
    message: str = "batch requests are not allowed"


class Signal(Rule, frozen=True, tag="signal"):
    """A process gets a signal right before the node hears the call, or right after."""

    pid: Annotated[int, Meta(gt=1)]
    signal: Literal["SIGKILL", "SIGSTOP", "SIGCONT", "SIGTERM"] = "SIGKILL"
    when: Literal["pre", "post"] = "pre"


class UpstreamCall(Rule, frozen=True, tag="upstream_call"):
    """The node gets another call before or after this one: a reorg between two reads."""

    call: str
    arguments: list[Any] = []
    when: Literal["before", "after"] = "before"


class Reorder(Rule, frozen=True, tag="reorder"):
    """A notification is held back until the one after it has been told.

    If it always strikes, each two of them change places.
    """


class Removed(Rule, frozen=True, tag="removed"):
    """A log is told, and then told again with `removed: true`, as after a reorg."""


Fault: TypeAlias = (
    Latency | Drop | LoseResponse | Duplicate | HttpStatus | RpcError | Malformed | WrongId
    | NullResult | Stale | TruncateLogs | Mutate | Drip | Oversize | BatchShuffle | BatchDropOne
    | BatchAsObject | Signal | UpstreamCall | Reorder | Removed
)  # fmt: skip

ON_NOTIFICATIONS: Final = Latency | Drop | Duplicate | Mutate | Stale | Reorder | Removed
OF_BATCHES: Final = BatchShuffle | BatchDropOne | BatchAsObject


def name_of(fault: Fault) -> str:
    """Return the word of a fault, as it stands in JSON."""
    return str(fault.__struct_config__.tag)


def checked(faults: tuple[Fault, ...]) -> tuple[Fault, ...]:
    """Return *faults* if each can strike where it is aimed.

    Raises:
        ConfigError: A fault of calls is aimed at notifications, or the other way round.

    """
    for fault in faults:
        notified = fault.method.startswith("@")
        only_notified = isinstance(fault, Reorder | Removed)
        if notified != only_notified and (only_notified or not isinstance(fault, ON_NOTIFICATIONS)):
            raise ConfigError(
                "this fault cannot strike there",
                fault=name_of(fault),
                method=fault.method,
                remedy="notifications are named @newHeads, @logs, @newPendingTransactions or @*",
            )
    return faults


def read(text: bytes) -> tuple[Fault, ...]:
    """Return the rules of a JSON array.

    Raises:
        ConfigError: It is none, or one of them is not a rule.

    """
    try:
        return checked(msgspec.json.decode(text, type=tuple[Fault, ...]))
    except msgspec.DecodeError as error:
        known = ", ".join(sorted(name_of(kind) for kind in get_args(Fault)))
        raise ConfigError(
            "these are no rules", said=str(error), remedy=f"known faults: {known}"
        ) from error


def is_deletion(fault: Mutate) -> bool:
    """Tell whether a mutation takes away instead of replacing; JSON's null is a value."""
    return isinstance(fault.value, UnsetType)
