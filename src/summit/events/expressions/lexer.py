"""Text of an expression to tokens, each with its column."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

from summit.base import limits
from summit.base.errors import Invalid

TokenKind = Literal["name", "quoted", "text", "number", "sign", "end"]


class Token(NamedTuple):
    """One token; `value` is the name, the sign, or the constant. Columns count from 1."""

    kind: TokenKind
    value: str | int | float
    column: int


_SIGNS: Final = (
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "+", "-", "*", "/", "%", "?", ":", ".", ",",
    "(", ")", "[", "]", "{", "}",
)  # fmt: skip
_TOKEN: Final = re.compile(
    r"(?P<space>(?:[ \t\r\n]|//[^\n]*)+)"
    r"|(?P<number>0[xX][0-9A-Fa-f]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
    r"|(?P<raw>[rR](?:'[^'\n]*'|\"[^\"\n]*\"))"
    r"|(?P<name>[A-Za-z_@][A-Za-z0-9_]*)"
    r"|(?P<quoted>`[^`\n]+`)"
    r"|(?P<text>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
    r"|(?P<sign>" + "|".join(re.escape(sign) for sign in _SIGNS) + ")",
    re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|.)", re.DOTALL)
_ESCAPES: Final = {
    "n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v", "0": "\0",
    "\\": "\\", "'": "'", '"': '"', "`": "`", "/": "/", "?": "?",
}  # fmt: skip


def tokenize(text: str) -> list[Token]:
    """Split an expression; the last token is `end`.

    Raises: Invalid("expression.syntax", "expression.too_large").

    >>> [token.value for token in tokenize("a.b >= 10 // old")]
    ['a', '.', 'b', '>=', 10, '']
    """
    if len(text) > limits.EXPRESSION_CHARS_MAX:
        reason = f"more than {limits.EXPRESSION_CHARS_MAX} characters"
        raise Invalid("expression.too_large", reason=reason)
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = _TOKEN.match(text, position)
        column = position + 1
        if found is None:
            raise syntax_error(_complaint(text[position]), column)
        position = found.end()
        match found.lastgroup:
            case "number":
                tokens.append(Token("number", _number(found[0], column), column))
            case "text":
                tokens.append(Token("text", _unescape(found[0][1:-1], column), column))
            case "raw":
                tokens.append(Token("text", found[0][2:-1], column))
            case "name":
                tokens.append(Token("name", found[0], column))
            case "quoted":
                tokens.append(Token("quoted", found[0][1:-1], column))
            case "sign":
                tokens.append(Token("sign", found[0], column))
    tokens.append(Token("end", "", len(text) + 1))
    return tokens


def syntax_error(reason: str, column: int) -> Invalid:
    """The error for a text that is no expression."""
    return Invalid("expression.syntax", reason=reason, column=column)


def _complaint(char: str) -> str:
    if char in "'\"`":
        return "a text is not closed"
    if char in "=&|":
        return f"'{char}' alone is no operator; write '{char}{char}'"
    return f"unexpected character {char!r}"


def _number(text: str, column: int) -> int | float:
    if text[:2] in ("0x", "0X"):
        number: int | float = int(text, 16)
    elif text.isdigit():
        number = int(text) if len(text) <= 20 else 1 << 64
    else:
        number = float(text)
    if not -(1 << 64) < number < (1 << 64) and (type(number) is int or number in (_INF, -_INF)):
        raise syntax_error("the number is too large", column)
    return number


_INF: Final = float("inf")


def _unescape(text: str, column: int) -> str:
    if "\\" not in text:
        return text

    def plain(found: re.Match[str]) -> str:
        code = found[1]
        if code[0] in "uUx" and len(code) > 1:
            point = int(code[1:], 16)
            if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF:
                raise syntax_error(f"\\{code} is no character", column)
            return chr(point)
        if code not in _ESCAPES:
            raise syntax_error(f"unknown escape \\{code}; write a plain \\ as \\\\", column)
        return _ESCAPES[code]

    return _ESCAPE.sub(plain, text)
