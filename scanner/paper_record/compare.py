"""Which of the known texts stands on a line? Closed vocabulary, compared pixel by pixel.

Order of work for one line:

1. Lay the line's pixels over the nearest text: correlate pieces of the line with it, and
   move every column by a smooth (straight-line) fit of what the pieces say.
2. Scale its ink to that of the text, so that pale print, dim light and black-and-white
   scans compare alike.
3. The text must fit by itself: everywhere (local correlation), with no ink that it has not
   and none missing (words written on the line, struck out or scraped off).
4. Against every other text B, only the pixels in which the two differ are asked:
   `score = <I - (A + B) / 2, A - B> / (|A - B|² / 2)`, which is +1 where the line is A and
   -1 where it is B, whatever else the two have in common. So names that differ in one
   letter are told apart by that letter. The least of these scores is the line's margin.

Nothing is guessed: a line that fails 3 or 4 has `problem` set, in a stable word.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from election.paper_record.vocabulary import PX_PER_MM, WRITE_IN, LineTexts

Ink = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

#: Words for what is wrong with a line.
UNKNOWN_TEXT = "unknown_text"
TOO_CLOSE = "text_too_close"
ALTERED = "text_altered"

#: Both sides are blurred by this before they are compared, px: scanners blur by as much.
BLUR_PX = 0.9
#: Pixels that a line may lie off its place after the page's fit: 0.75 mm.
REACH_PX = 6
#: Pieces by which a line is laid over a text, px, and how far apart they begin.
PIECE_PX, PIECE_STEP_PX = 96, 48
#: A piece with less ink than this (sum over it) says nothing.
PIECE_INK = 40.0
#: Correlation with the text over its own part of the line, at least.
LEAST_FIT = 0.72
#: Local correlation: in windows of this width (about one letter), at least.
WINDOW_PX, LEAST_LOCAL_FIT = 16, 0.88
#: From here on a letter need not be tried beside its place.
CLEAR_LOCAL_FIT = 0.95
#: Margin against every other text, at least (1: exactly this text, 0: in the middle).
LEAST_MARGIN = 0.3
#: Ink further than this from the text's own, and text further than this from ink, px.
ROOM_PX = 2
#: So much of such ink (full ink, mm²) in one place of 3 mm is a hand's.
MOST_EXTRA_MM2, MOST_MISSING_MM2 = 0.24, 0.20
PLACE_PX = 24


@dataclass(frozen=True, slots=True)
class LineReading:
    """What a line says. `word` is the nearest text's (`LineTexts.words`), to be used only
    where `problem` is None. `fit` and `local_fit` are correlations, `margin` the least score
    against any other text (`second`), `extra_mm2` and `missing_mm2` ink that it has and the
    text has not, and the other way round, in the worst place."""

    word: str
    second: str
    fit: float
    local_fit: float
    margin: float
    extra_mm2: float
    missing_mm2: float
    problem: str | None


class KnownTexts:
    """The texts of one contest's lines, prepared for comparing."""

    def __init__(self, texts: LineTexts) -> None:
        ink = texts.ink.astype(np.float32) / 255
        self.words = texts.words
        self.sharp = ink
        self.blurred: Ink = np.stack([_blur(one) for one in ink])
        self.free_from_px = texts.free_from_px
        self.coarse: Ink = np.stack([_coarse(one) for one in ink])
        # Right of the longest text nothing tells one from another.
        inked = np.flatnonzero(self.blurred.max(axis=(0, 1)) > 0.01)
        self.wide = int(inked[-1]) + 1 if inked.size else self.blurred.shape[2]
        self.compared: Ink = np.ascontiguousarray(self.blurred[:, :, : self.wide])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of a line, px."""
        return self.sharp.shape[1], self.sharp.shape[2]


def read_line(ink: Ink, known: KnownTexts, covered: Bools | None = None) -> LineReading:
    """Read one line.

    Args:
        ink: float32[h + 2r, w + 2r], ink 0 to 1 of the line and r = `REACH_PX` about it.
        known: its contest's texts.
        covered: bool[w + 2r], columns that a streak of the scanner runs over: not asked.
    """
    high, wide = known.shape
    own = ink[REACH_PX : REACH_PX + high, REACH_PX : REACH_PX + wide]
    start = int(np.argmax(_correlations(_coarse(own), known.coarse)))
    laid = _lay(ink, known.blurred[start])
    hidden = _moved_columns(covered, wide)
    asked = _asked(laid, known, start, hidden)
    best = int(np.argmax(_fits(laid, known, asked)))
    if best != start:
        laid = _lay(ink, known.blurred[best])
        asked = _asked(laid, known, best, hidden)
    return _judge(laid, known, best, asked)


def _judge(laid: Ink, known: KnownTexts, best: int, asked: Bools) -> LineReading:
    text = known.blurred[best]
    scaled = _scaled(laid, text, asked)
    fit = float(_fits(laid, known, asked)[best])
    local = _local_fit(scaled, text, asked)
    margin, second = _margin(scaled, known, best, asked)
    sharp = _scaled(laid, text, asked)
    extra = _worst(np.where(asked, sharp - _spread(text), 0.0))
    missing = _worst(np.where(asked, text - _spread(sharp), 0.0))
    problem = None
    if fit < LEAST_FIT:
        problem = UNKNOWN_TEXT
    elif margin < LEAST_MARGIN:
        problem = TOO_CLOSE
    elif extra > MOST_EXTRA_MM2 or missing > MOST_MISSING_MM2:
        problem = ALTERED
    elif local < LEAST_LOCAL_FIT:
        problem = UNKNOWN_TEXT
    return LineReading(
        known.words[best], known.words[second], fit, local, margin, extra, missing, problem
    )


def _asked(laid: Ink, known: KnownTexts, best: int, hidden: Bools) -> Bools:
    """The pixels that are looked at: not under a streak, not a written-in name."""
    asked = np.broadcast_to(~hidden[None, :], laid.shape).copy()
    if known.words[best] == WRITE_IN:
        asked[known.free_from_px :] = False
    return asked


def _blur(ink: Ink) -> Ink:
    return np.asarray(cv2.GaussianBlur(ink, (0, 0), BLUR_PX), np.float32)


def _coarse(ink: Ink) -> Ink:
    """So coarse that a line a little off its place still looks like its text."""
    soft = cv2.GaussianBlur(ink, (0, 0), 4.0)
    return np.asarray(soft[::4, ::4], np.float32)


def _correlations(one: Ink, many: Ink) -> Floats:
    a = one.ravel() - one.mean()
    b = many.reshape(len(many), -1)
    b = b - b.mean(axis=1, keepdims=True)
    down = np.sqrt((a**2).sum() * (b**2).sum(axis=1)) + 1e-9
    return np.asarray((b @ a) / down, np.float64)


def _fits(laid: Ink, known: KnownTexts, asked: Bools) -> Floats:
    """Correlation with each text over the asked pixels."""
    a, b = _asked_only(laid, known, asked)
    a = a - a.mean()
    b = b - b.mean(axis=1, keepdims=True)
    down = np.sqrt(float(a @ a) * np.einsum("ij,ij->i", b, b)) + 1e-9
    return np.asarray((b @ a) / down, np.float64)


def _asked_only(line: Ink, known: KnownTexts, asked: Bools) -> tuple[Ink, Ink]:
    """The asked pixels of the line, float32[p], and of all texts, float32[n, p]."""
    weights = asked[:, : known.wide].ravel()
    a = line[:, : known.wide].ravel()
    b = known.compared.reshape(len(known.words), -1)
    if weights.all():
        return a, b
    return a[weights], b[:, weights]


def _lay(ink: Ink, text: Ink) -> Ink:
    """The line moved so that it lies over a text: float32 of the text's shape, blurred."""
    high, wide = text.shape
    soft = _blur(ink)
    places: list[float] = []
    moves_x: list[float] = []
    moves_y: list[float] = []
    weights: list[float] = []
    for left in range(0, max(1, wide - PIECE_PX // 2), PIECE_STEP_PX):
        piece = text[:, left : left + PIECE_PX]
        total = float(piece.sum())
        if total < PIECE_INK:
            continue
        around = soft[:, left : left + piece.shape[1] + 2 * REACH_PX]
        found = np.asarray(cv2.matchTemplate(around, piece, cv2.TM_CCOEFF_NORMED), np.float32)
        y, x = np.unravel_index(int(np.argmax(found)), found.shape)
        if found[y, x] < 0.3:
            continue
        places.append(left + piece.shape[1] / 2)
        moves_x.append(float(x + _peak(found[y, :], int(x)) - REACH_PX))
        moves_y.append(float(y + _peak(found[:, x], int(y)) - REACH_PX))
        weights.append(total * float(found[y, x]))
    along = np.arange(wide, dtype=np.float64)
    dx = _smooth(places, moves_x, weights, along)
    dy = _smooth(places, moves_y, weights, along)
    map_x = np.broadcast_to((along + REACH_PX + dx).astype(np.float32), (high, wide))
    rows = np.arange(high, dtype=np.float64)[:, None] + REACH_PX
    map_y = (rows + dy[None, :]).astype(np.float32)
    return np.asarray(
        cv2.remap(soft, np.ascontiguousarray(map_x), map_y, cv2.INTER_LINEAR), np.float32
    )


def _peak(values: Ink, at: int) -> float:
    """Where between pixels the peak lies (a parabola through three)."""
    if not 0 < at < values.size - 1:
        return 0.0
    left, top, right = (float(v) for v in values[at - 1 : at + 2])
    bend = left - 2 * top + right
    return 0.0 if bend >= -1e-9 else float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5))


def _smooth(places: list[float], moves: list[float], weights: list[float], along: Floats) -> Floats:
    """A straight line through the pieces' moves, those that lie far off left out."""
    if not places:
        return np.zeros(along.size)
    x, y, w = np.array(places), np.array(moves), np.array(weights)
    near = np.abs(y - np.median(y)) <= 1.5
    x, y, w = x[near], y[near], w[near]
    if x.size < 3:
        return np.full(along.size, float(np.average(y, weights=w)) if x.size else 0.0)
    slope, start = np.polyfit(x, y, 1, w=np.sqrt(w))
    # Beyond the text nothing tells: the move there is that of its end.
    return np.asarray(slope * np.clip(along, x[0], x[-1]) + start, np.float64)


def _moved_columns(covered: Bools | None, wide: int) -> Bools:
    if covered is None:
        return np.zeros(wide, bool)
    return np.asarray(covered[REACH_PX : REACH_PX + wide], bool)


def _scaled(laid: Ink, text: Ink, asked: Bools) -> Ink:
    """The line's ink on the text's scale: least squares over the text's surroundings."""
    near = asked & (_spread(text) > 0.05)
    if np.count_nonzero(near) < 50:
        return laid
    a, b = text[near].astype(np.float64), laid[near].astype(np.float64)
    spread = a - a.mean()
    gain = float((spread * (b - b.mean())).sum() / max((spread**2).sum(), 1e-9))
    if gain < 0.1:
        return laid
    base = float(b.mean() - gain * a.mean())
    return np.asarray((laid - base) / gain, np.float32)


def _margin(scaled: Ink, known: KnownTexts, best: int, asked: Bools) -> tuple[float, int]:
    """The least score against any other text, and which text that is."""
    line, texts = _asked_only(scaled, known, asked)
    difference = texts[best] - texts
    size = np.einsum("ij,ij->i", difference, difference)
    # <I - (A + B) / 2, A - B> with the middle written as A less half of the difference.
    scores = 2 * (difference @ (line - texts[best])) / np.maximum(size, 1e-6) + 1
    # Texts that are the same in all that was looked at cannot be told apart.
    scores[size < 3.0] = 0.0
    scores[best] = np.inf
    second = int(np.argmin(scores))
    return float(scores[second]), second


def _local_fit(scaled: Ink, text: Ink, asked: Bools) -> float:
    """The least correlation in any window of about one letter."""
    rows = np.flatnonzero(text.max(axis=1) > 0.1)
    columns = np.flatnonzero((text.max(axis=0) > 0.1) & asked.any(axis=0))
    if rows.size == 0 or columns.size == 0:
        return 0.0
    least = 1.0
    for left in range(int(columns[0]), int(columns[-1]), WINDOW_PX // 2):
        window = slice(left, left + WINDOW_PX)
        among = asked[rows[0] : rows[-1] + 1, window]
        a = text[rows[0] : rows[-1] + 1, window][among]
        if a.size < 100 or float(a.sum()) < 15 or float(a.std()) < 0.1:
            continue
        # A letter may stand a little beside its place: renderers and printers round.
        seen = -1.0
        for move in (0, -1, 1):
            place = slice(max(0, left + move), left + move + WINDOW_PX)
            b = scaled[rows[0] : rows[-1] + 1, place]
            if b.shape == among.shape and float(b[among].std()) > 1e-6:
                seen = max(seen, float(np.corrcoef(a, b[among])[0, 1]))
            if seen >= CLEAR_LOCAL_FIT:
                break
        least = min(least, seen)
    return least


def _spread(ink: Ink) -> Ink:
    """Ink grown by `ROOM_PX` on all sides."""
    size = 2 * ROOM_PX + 1
    return np.asarray(cv2.dilate(ink, np.ones((size, size), np.uint8)), np.float32)


def _worst(ink: Ink) -> float:
    """The most ink in any place of `PLACE_PX`, mm² of full ink; faint grain is none."""
    strong = np.where(ink > 0.25, ink, 0).astype(np.float32)
    size = (PLACE_PX, min(PLACE_PX, ink.shape[0]))
    summed = cv2.boxFilter(strong, -1, size, normalize=False, borderType=cv2.BORDER_CONSTANT)
    return float(summed.max()) / PX_PER_MM**2
