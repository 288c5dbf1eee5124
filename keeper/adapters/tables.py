"""Tables of keeper.toml become frozen Structs, each value checked and its unit taken off.

Used for the keeper's own configuration and for every adapter's, so that one rule holds everywhere:
a key is a field's name without its unit (`keeper/model/quantities.py`), and whatever does not fit
is refused with file, key, value and remedy.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from fractions import Fraction
from math import isfinite
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin

import msgspec
from msgspec import Meta, Struct

from keeper.adapters.words import checksum_address
from keeper.core.redact import redact
from keeper.model import quantities
from keeper.model.chain import Address
from keeper.model.errors import ConfigError
from keeper.model.quantities import key_of, suffix_of
from keeper.model.secret import Secret

S = TypeVar("S", bound=Struct)

TAG: Final = "type"
SYMBOL: Final = "symbol"
"""A table with this key says what amounts of the asset inside it are written in."""

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SYMBOL: Final = re.compile(r"[A-Za-z][A-Za-z0-9.]{0,15}")
_KEY_LIKE: Final = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_SECRET_NAMES: Final = re.compile(
    r"(private_?)?key|.*(mnemonic|seed|password|passphrase|secret|token)", re.IGNORECASE
)
_CREDENTIALS: Final = re.compile(
    r"://[^/\s]*@|[/=](?=[^/]*[0-9])(?=[^/]*[A-Za-z])[A-Za-z0-9_-]{20,}(?![A-Za-z0-9_.-])"
)


class Source:
    """Where a table stands, for errors; and what its `${NAME}`s and its amounts refer to."""

    __slots__ = ("environ", "file", "path", "symbol")

    def __init__(
        self,
        file: str,
        path: str = "",
        *,
        environ: Mapping[str, str] | None = None,
        symbol: str | None = None,
    ) -> None:
        self.file: Final = file
        self.path: Final = path
        self.environ: Final[Mapping[str, str]] = environ or {}
        self.symbol: Final = symbol

    def at(self, key: str) -> "Source":
        """Return the place of *key* inside this table."""
        path = f"{self.path}.{key}" if self.path else key
        return Source(self.file, path, environ=self.environ, symbol=self.symbol)

    def item(self, number: int) -> "Source":
        """Return the place of one item of this array."""
        path = f"{self.path}[{number}]"
        return Source(self.file, path, environ=self.environ, symbol=self.symbol)

    def of(self, symbol: str) -> "Source":
        """Return the same place, with amounts of the asset written in *symbol*."""
        return Source(self.file, self.path, environ=self.environ, symbol=symbol)

    def error(self, message: str, *, remedy: str = "", **facts: object) -> ConfigError:
        """Return the error that *message* is at this place. Secrets in facts are cut out."""
        shown = {name: _shown(value) for name, value in facts.items()}
        return ConfigError(message, remedy=remedy, file=self.file, key=self.path, **shown)

    def locate(self, error: ConfigError | ValueError | TypeError) -> ConfigError:
        """Return *error*, raised by whatever this place configures, with the place in it."""
        if not isinstance(error, ConfigError):
            return self.error(str(error))
        place = {"file": self.file, "key": self.path}
        return ConfigError(error.message, remedy=error.remedy, **(place | error.facts))

    def __repr__(self) -> str:
        # The environment holds secrets, and tracebacks may print locals.
        return f"Source({self.file!r}, {self.path!r})"


class Table(Struct, frozen=True):
    """A table that only the adapter it names understands; see `keeper/registry.py`."""

    entries: Mapping[str, Any]
    source: Source

    def without(self, key: str) -> "Table":
        """Return the table without *key*."""
        return Table({k: v for k, v in self.entries.items() if k != key}, self.source)


def convert(table: Mapping[str, Any], struct: type[S], source: Source) -> S:
    """Return *table* as a *struct*.

    Raises:
        ConfigError: A key is unknown or missing, or a value does not fit.

    """
    if isinstance(symbol := table.get(SYMBOL), str):
        if _SYMBOL.fullmatch(symbol) is None:
            remedy = "a symbol is a short word, such as ETH"
            raise source.at(SYMBOL).error("this is no symbol", value=symbol, remedy=remedy)
        source = source.of(symbol)
    fields = {key_of(field.name): field for field in msgspec.structs.fields(struct)}
    for key in table:
        if key not in fields:
            raise _unknown(key, fields, source)
    missing = [key for key, field in fields.items() if field.required and key not in table]
    if missing:
        raise _missing(missing, fields, source)
    values = {
        fields[key].name: _value(raw, fields[key].type, source.at(key), fields[key].name)
        for key, raw in table.items()
    }
    try:
        return struct(**values)
    except (ConfigError, ValueError, TypeError) as error:
        raise source.locate(error) from error


def nearest(name: str, known: Sequence[str]) -> str:
    """Return a question that names the one of *known* that is most like *name*, or nothing."""
    near = get_close_matches(name, known, n=1)
    return f"did you mean {near[0]}?" if near else ""


def _value(raw: Any, annotation: Any, source: Source, field: str = "") -> Any:
    annotation, limits = _bare(annotation)
    if (suffix := suffix_of(field)) is not None:
        return _quantity(raw, annotation, limits, source, suffix)
    if annotation in _LEAVES:
        return _LEAVES[annotation](raw, source)
    if (structs := _structs(annotation)) is not None:
        return _struct(raw, structs, source)
    if get_origin(annotation) is tuple:
        item = get_args(annotation)[0]
        if item is Secret and isinstance(raw, str):  # one address, or a list of several
            return (_secret(raw, source),)
        return tuple(_value(x, item, source.item(i)) for i, x in _array(raw, source))
    return _plain(raw, annotation, limits, source)


def _bare(annotation: Any) -> tuple[Any, Meta]:
    """Return the annotation without `None`, which TOML cannot say, and without its limits."""
    limits = Meta()
    if get_origin(annotation) in (Union, UnionType):
        left = [a for a in get_args(annotation) if a is not NoneType]
        annotation = left[0] if len(left) == 1 else Union[tuple(left)]  # noqa: UP007  # made at run time
    if get_origin(annotation) is Annotated:
        limits = next((a for a in get_args(annotation)[1:] if isinstance(a, Meta)), limits)
        annotation = get_args(annotation)[0]
    return annotation, limits


def _quantity(raw: Any, annotation: Any, limits: Meta, source: Source, suffix: str) -> int | float:
    try:
        kind = quantities.kind_of(suffix, source.symbol)
    except ValueError as error:
        raise source.error(str(error)) from error
    remedy = quantities.spell_units(kind)
    try:
        exact = quantities.parse(str(raw), kind)
    except ValueError as error:
        raise source.error(str(error), value=raw, remedy=remedy) from error
    if exact < 0 or (exact == 0 and limits.ge != 0):
        why = "zero never means unlimited" if exact == 0 else "a negative one makes no sense"
        raise source.error("it must be above zero", value=raw, remedy=f"{why}; {remedy}")
    most = kind.most if limits.le is None else Fraction(limits.le)
    if exact > most:
        unit = kind.example.split()[-1]
        told = f"the most that is believed is {float(most / kind.units[unit]):g} {unit}"
        raise source.error("implausibly large: is the unit right?", value=raw, remedy=told)
    if annotation is int:
        if exact.denominator != 1:
            own = next(unit for unit, worth in kind.units.items() if worth == 1)
            raise source.error(f"it must be a whole number of {own}", value=raw)
        return int(exact)
    return float(exact)


def _address(raw: Any, source: Source) -> Address:
    try:
        return checksum_address(str(raw))
    except ValueError as error:
        remedy = "copy it again: 0x and 40 hex digits, and if it mixes cases its checksum must fit"
        raise source.error("this is not an address", value=raw, remedy=remedy) from error


def _secret(raw: Any, source: Source) -> Secret:
    text = _plain(raw, str, Meta(), source)
    # A path on this machine holds no credentials, however much a folder's name looks like one.
    if "://" in text and _CREDENTIALS.search(_VARIABLE.sub("", text)):
        raise source.error(
            "there seems to be a secret in this file",
            remedy="put it into .env, as in NODE_TOKEN=…, and write ${NODE_TOKEN} here",
        )
    for name in _VARIABLE.findall(text):
        if not source.environ.get(name):
            raise source.error(
                "a variable is not set",
                variable=name,
                remedy=f"put {name}=… into .env beside this file, or into the environment",
            )
    return Secret(_VARIABLE.sub(lambda found: source.environ[found[1]], text))


def _deferred(raw: Any, source: Source) -> Table:
    return Table(_table(raw, source), source)


_LEAVES: Final[Mapping[Any, Callable[[Any, Source], Any]]] = {
    Address: _address,
    Secret: _secret,
    Table: _deferred,
}


def _structs(annotation: Any) -> tuple[type[Struct], ...] | None:
    union = get_origin(annotation) in (Union, UnionType)
    choices = get_args(annotation) if union else (annotation,)
    if all(isinstance(choice, type) and issubclass(choice, Struct) for choice in choices):
        return choices
    return None


def _struct(raw: Any, structs: tuple[type[Struct], ...], source: Source) -> Struct:
    table = _table(raw, source)
    if len(structs) == 1:
        return convert(table, structs[0], source)
    known = {str(struct.__struct_config__.tag): struct for struct in structs}
    chosen = table.get(TAG)
    if chosen not in known:
        raise source.at(TAG).error(
            "unknown type" if TAG in table else "missing key",
            remedy=f"choose one of {', '.join(known)}. {nearest(str(chosen), [*known])}".strip(),
            value=chosen,
        )
    rest = {key: value for key, value in table.items() if key != TAG}
    return convert(rest, known[chosen], source)


def _table(raw: Any, source: Source) -> Mapping[str, Any]:
    if not isinstance(raw, Mapping):
        raise source.error("this must be a table", value=raw, remedy=f"write [{source.path}]")
    return raw


def _array(raw: Any, source: Source) -> list[tuple[int, Any]]:
    if not isinstance(raw, list):
        raise source.error("this must be an array", value=raw, remedy="write [ … ] or [[ … ]]")
    return list(enumerate(raw))


def _plain(raw: Any, annotation: Any, limits: Meta, source: Source) -> Any:
    try:
        value = msgspec.convert(raw, Annotated[annotation, limits])
    except msgspec.ValidationError as error:
        choices = (
            [str(c) for c in get_args(annotation)] if get_origin(annotation) is Literal else []
        )
        choose = f"choose one of {', '.join(choices)}. " if choices else ""
        remedy = (choose + nearest(str(raw), choices)).strip()
        raise source.error(str(error), value=raw, remedy=remedy) from error
    if isinstance(value, float) and not isfinite(value):
        raise source.error("this is not a number to work with", value=raw)
    return value


def _unknown(key: str, fields: Mapping[str, Any], source: Source) -> ConfigError:
    # Its value is not shown: it may be a secret that the key's name gives away too late.
    if _SECRET_NAMES.fullmatch(key):
        return source.at(key).error(
            "unknown key, and a secret does not belong into this file",
            remedy="put it into .env and use a new one: this one was written to a disk",
        )
    if suffix_of(key) and key_of(key) in fields:
        remedy = f'write {key_of(key)} = "…" and the unit into the value'
    else:
        remedy = nearest(key, [*fields]) or f"known here: {', '.join(fields)}"
    return source.at(key).error("unknown key", remedy=remedy)


def _missing(missing: list[str], fields: Mapping[str, Any], source: Source) -> ConfigError:
    lines = [f"{key} = {_example(fields[key], source)}" for key in missing]
    why = "a limit has no default on purpose. " if source.path.endswith("limits") else ""
    what = "missing key" if len(missing) == 1 else "missing keys"
    return source.error(
        f"{what}: {', '.join(missing)}", remedy=f"{why}Add, for example, {'; '.join(lines)}"
    )


def _example(field: Any, source: Source) -> str:
    suffix = suffix_of(field.name)
    if suffix is None:
        return "…"
    kind = quantities.KINDS[suffix]
    if suffix == "_base" and source.symbol is not None:
        kind = quantities.kind_of(suffix, source.symbol)
    return f'"{kind.example}"'


def _shown(value: object) -> object:
    if isinstance(value, Mapping | list):
        return "{…}" if isinstance(value, Mapping) else "[…]"
    return _KEY_LIKE.sub("…", redact(value)) if isinstance(value, str) else value
