"""What values look like: shapes by regular expression, then checksums where the kind has one.

Checksums: IBAN by ISO 7064 mod 97-10 (ISO 13616), cards by Luhn (ISO/IEC 7812-1), the Spanish identity
number by its letter. A share is of the values that are there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable

import polars as pl

from core.data.personal_words import FIRST_NAMES

MOST = 0.8  # share of the values that must have the shape
_CHECKED = 500  # values that a checksum is computed for
_EMAIL = r"^[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}$"
_PHONE = r"^(\+|00)?[0-9()][0-9 ()./-]{5,20}[0-9]$"
_DATE_LIKE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}$|^\d+[./]\d+$|^\d+-\d{1,4}$"
_UK_POSTCODE = r"^[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}$"
_INSIDE = r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+\.[A-Za-z]{2,}|\+\d[\d ()-]{8,}\d"


def kind_of_values(values: pl.Series) -> tuple[str, float, str] | None:
    """The kind of a text column [values without nulls], its share and the reason; none if nothing shows.

    Cost: one regular expression a kind over the sample, and checksums of at most 500 values.
    """
    if values.is_empty():
        return None
    for kind, (shape, check, reason) in _KINDS.items():
        fits = values.filter(values.str.contains(shape))
        share = len(fits) / len(values)
        if share < MOST:
            continue
        looked = fits.unique(maintain_order=True).head(_CHECKED).to_list()
        good = sum(check(value) for value in looked) / len(looked)
        if good >= MOST:
            return kind, share * good, reason
    return _names(values)


def free_text(values: pl.Series) -> bool:
    """Sentences rather than codes: at least six words and 30 characters on average, and hardly repeated."""
    if values.is_empty():
        return False
    words = values.str.count_matches(r"\S+").mean()
    length = values.str.len_chars().mean()
    return float(str(words)) >= 6 and float(str(length)) >= 30 and values.n_unique() > 0.5 * len(values)


def mentions(values: pl.Series) -> int:
    """How many texts have an e-mail address or an international phone number inside."""
    return int(values.str.contains(_INSIDE).sum())


def luhn(text: str) -> bool:
    """Whether the digits pass Luhn's test (ISO/IEC 7812-1, annex B)."""
    digits = [int(letter) for letter in text if letter.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return bool(digits) and (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def iban(text: str) -> bool:
    """Whether the text is an IBAN whose check digits hold (ISO 13616: mod 97 is 1)."""
    plain = re.sub(r"[\s-]", "", text).upper()
    if not re.fullmatch(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}", plain):
        return False
    turned = plain[4:] + plain[:4]
    return int("".join(str(int(letter, 36)) for letter in turned)) % 97 == 1


def _card(text: str) -> bool:
    digits = re.sub(r"[ -]", "", text)
    return 13 <= len(digits) <= 19 and digits[0] in "23456" and len(set(digits)) > 2 and luhn(digits)


def _ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _phone(text: str) -> bool:
    """Nine to fifteen digits (E.164) with a sign that they are dialled, and no date."""
    digits = sum(letter.isdigit() for letter in text)
    dialled = text.startswith(("+", "00", "(")) or bool(re.search(r"\d[ ()./-]+\d", text))
    return 9 <= digits <= 15 and dialled and not re.match(_DATE_LIKE, text)


def _spanish(text: str) -> bool:
    return text[-1].upper() == "TRWAGMYFPDXBNJZSQVHLCKE"[int(text[:8]) % 23]


def _always(_text: str) -> bool:
    return True


Check = Callable[[str], bool]
_KINDS: dict[str, tuple[str, Check, str]] = {
    "email": (_EMAIL, _always, "values are e-mail addresses"),
    "iban": (r"^[A-Za-z]{2}\d{2}[A-Za-z0-9 -]{11,40}$", iban, "values are IBANs whose check digits hold"),
    "card": (r"^[2-6]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{1,7}$", _card, "values are card numbers that pass Luhn's test"),
    "ip": (r"^[0-9A-Fa-f:.]{3,45}$", _ip, "values are IP addresses"),
    "national_id": (r"^\d{3}-\d{2}-\d{4}$", _always, "values have the shape of US social security numbers"),
    "national_id_uk": (
        r"^[A-CEGHJ-PR-TW-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D]$",
        _always,
        "values have the shape of UK national insurance numbers",
    ),
    "national_id_es": (r"^\d{8}[A-Za-z]$", _spanish, "values are Spanish identity numbers whose letter holds"),
    "postcode": (_UK_POSTCODE, _always, "values are UK postcodes"),
    "phone": (_PHONE, _phone, "values are phone numbers"),
}


def _names(values: pl.Series) -> tuple[str, float, str] | None:
    """Two or three capitalised words of which one is a common given name, in at least three of ten values."""
    looked = values.unique(maintain_order=True)
    shaped = looked.filter(looked.str.contains(r"^[\p{Lu}][\p{L}'’.-]*,?( [\p{Lu}][\p{L}'’.-]*){1,3}$"))
    if len(shaped) < MOST * len(looked):
        return None
    parts = [text.replace(",", "").lower().split() for text in shaped.head(_CHECKED).to_list()]
    known = sum(bool({words[0], words[-1]} & FIRST_NAMES) for words in parts)
    share = known / len(parts)
    return ("person_name", share, "values are names of people") if share >= 0.3 else None
