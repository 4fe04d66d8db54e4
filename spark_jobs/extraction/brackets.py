"""Where the documents of an array start and end, found by a scan with numpy.

Only brackets outside strings count. So the bytes are reduced to quotes, backslashes and brackets first, all at once.
"""

import numpy as np

_QUOTE, _BACKSLASH = b'"\\'
_IS_RELEVANT = np.zeros(256, dtype=bool)
_IS_RELEVANT[list(b'"\\{}[]')] = True
_DEPTH_CHANGE = np.zeros(256, dtype=np.int8)
_DEPTH_CHANGE[list(b"{[")] = 1
_DEPTH_CHANGE[list(b"}]")] = -1


def find_documents(data: bytes) -> tuple[list[int], list[int], int | None]:
    """Start and end offsets of the whole objects and lists in an array's body, and the offset of the array's closing
    bracket (None where it is not in the data)."""
    codes = np.frombuffer(data, dtype=np.uint8)
    places = np.flatnonzero(_IS_RELEVANT[codes])
    places = _drop_escaped(places, codes)
    is_quote = codes[places] == _QUOTE
    is_bracket_outside = ~is_quote & (np.cumsum(is_quote) % 2 == 0)
    places = places[is_bracket_outside]
    changes = _DEPTH_CHANGE[codes[places]]
    depth = np.cumsum(changes, dtype=np.int64)
    closing = np.flatnonzero(depth < 0)
    array_end = None
    if len(closing):
        count = closing[0] + 1
        places, changes, depth = places[:count], changes[:count], depth[:count]
        array_end = int(places[-1])
    starts = places[(depth == 1) & (changes == 1)]
    ends = places[(depth == 0) & (changes == -1)] + 1
    return starts[: len(ends)].tolist(), ends.tolist(), array_end


def _drop_escaped(places: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """The places without those of backslashes, and of characters that follow an odd number of backslashes."""
    is_backslash = codes[places] == _BACKSLASH
    backslashes = places[is_backslash]
    if not len(backslashes):
        return places
    begins_run = np.diff(backslashes, prepend=-2) > 1
    ends_run = np.append(begins_run[1:], True)
    lengths = backslashes[ends_run] - backslashes[begins_run] + 1
    escaped = backslashes[ends_run][lengths % 2 == 1] + 1
    others = places[~is_backslash]
    return others[~np.isin(others, escaped, assume_unique=True)]
