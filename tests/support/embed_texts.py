"""Texts that break tokenizers, and real ones: used by the fixtures of tests/unit/embed and by bench/embed.py.

Records are bytes without b"\\n". The same seed gives the same records.
"""
import glob
import gzip
import random
import subprocess

FIXED = [
    "", "   ", "Crème brûlée ÀÉÎÕÜ ñ ß ẞ Ǆ", "İstanbul IŞIK ı", "ΑΣ Σίσυφος ΟΔΥΣΣΕΥΣ", "北京大学 is 北京",
    "日本語テキスト カタカナ ﾊﾝｶｸ", "한국어 텍스트 각", "👩‍👩‍👧‍👦 family 🏳️‍🌈 🇩🇪 ☺️", "a\u0301\u0327 b\u0327\u0301",
    "\u1100\u1161\u11a8", "x\u200by\u200dz\ufeff", "tab\tcr\rvt\x0bff\x0cnel\x85nb\xa0id\u3000.",
    "nul\x00soh\x01del\x7f.",
    "\ufffd\ufffdx\ufffd", "﷽ ﷺ ﬁ ﬂ ﬃ", "①②③ Ⅷ ℌ ℃ ≠ ≮", "$100.50 C++ c# .NET don't", "𝔘𝔫𝔦 𝒞 🄰",
    "\U0001d15e\U0001d165\U0001d16d",
    "\u302e\u302f가\u302f\u302e", "क्षि हिन्दी", "ไทย ภาษา", "עברית עִברִית", "العربية مُحَمَّد", "Ελληνικά ΄ ; ·",
    "\u1fef\u037e\u0387", "x\U000e0001y\U000e0020", "\uf900\ufa0e\U0002f800", "ǅ ǈ ŉ ǰ ΐ", "\u2028\u2029 ls ps",
    "a" * 99, "a" * 100, "a" * 101, "é" * 100, "é" * 101, "e\u0301" * 100, "e\u0301" * 101, "가" * 33, "가" * 34,
    "가" * 50, "가" * 51, "[" * 300, "word " * 300, "un" * 49 + "aff", "unaffable " * 100, "À" * 120, "ﬀ" * 101,
    "\u0344" * 5, "a" * 1000 + " tail", "b" * 5000 + " end", "\u0301", "\u0301a", "a" + "\U0001d16d\u302e" * 60,
    "q\U0001d16d\u0901\u302e", "q\U0001d16d\u0300\u302e", "q\U0001d16d\u200b\u302e", "\U0001d16d \u302e",
    "q\U0001d16d.\u302e",
    "[SEP] [CLS]x[MASK]y [PAD]", "[sep]", "[SEP", "a[SEP]b", "[UNK][UNK]", "[CLS][SEP]", "[[SEP]]", "##ing ##",
    "# #ing",
]
BROKEN = [
    b"\xff\xfe", b"ab\xc3", b"ab\xe2\x82", b"\xe2\x82x", b"\xf0\x9f\x98", b"\xf0\x9f\x98y", b"\xed\xa0\x80z",
    b"\xc0\x80q",
    b"\xf4\x90\x80\x80r", b"\xe0\x80\x80s", b"\x80\x80mid\xbfdle", b"\xf8\x88\x80\x80\x80",
]
SPLICES = [
    b"\xcc\x81", b"[SEP]", b"\xe2\x80\x8b", b"\xff", b"\xe4\xb8\xad", b"\x00", b"A" * 30, b"\xc2\xa0",
    "\u0901".encode(),
    "\U0001d16d".encode(), "\u302e".encode(), "ﬀ".encode(), "각".encode(), b"[MASK]", b"\xf0\x9f",
]
RANGES = [
    (0x20, 0x250, 3), (0x300, 0x370, 4), (0x370, 0x600, 1), (0x900, 0xA00, 1), (0x1100, 0x1200, 1), (0x1E00, 0x2100, 2),
    (0x3000, 0x3100, 1), (0x4E00, 0x4F00, 1), (0xAC00, 0xAD00, 1), (0x1F300, 0x1F650, 1), (0x1D150, 0x1D180, 3),
    (0x302A, 0x3030, 20), (0x1B34, 0x1B45, 10),
]


def nasty(count, seed, real):
    """FIXED and BROKEN, then count generated records; real: lines to cut and splice."""
    rng = random.Random(seed)
    dense = [c for low, high, weight in RANGES for c in list(range(low, high)) * weight]
    every = [c for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF and c != 10]
    records = [text.encode() for text in FIXED] + list(BROKEN)
    for i in range(count):
        kind = i % 5
        if kind == 0:
            record = "".join(chr(rng.choice(dense)) for _ in range(rng.randint(1, 60))).encode()
        elif kind == 1:
            record = "".join(chr(rng.choice(every)) for _ in range(rng.randint(1, 30))).encode()
        elif kind == 2:
            lows = (0, 97, 0xC0, 0x80)
            highs = (256, 123, 0x100, 0xC0)
            picks = [rng.randrange(4) for _ in range(rng.randint(1, 60))]
            record = bytes(rng.randrange(lows[k], highs[k]) for k in picks)
        elif kind == 3:
            line = bytearray(rng.choice(real))
            for _ in range(3):
                at = rng.randrange(len(line) + 1)
                line[at:at] = rng.choice(SPLICES)
            record = bytes(line)
        else:
            record = b" ".join(rng.choice(real) for _ in range(rng.choice([2, 25]) if i % 25 == 4 else 2))
        records.append(record.replace(b"\n", b" "))
    return records


def real_lines(count):
    """Distinct lines of Debian package descriptions, then of documents under /usr/share/doc."""
    seen = {}
    try:
        dump = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, check=False).stdout
    except FileNotFoundError:
        dump = b""
    for line in dump.split(b"\n"):
        if line.startswith(b"Description"):
            line = line.split(b":", 1)[1]
        elif not line.startswith(b" ") or len(line) < 12:
            continue
        seen.setdefault(line.strip(), None)
        if len(seen) >= count:
            return list(seen)[:count]
    for path in sorted(glob.glob("/usr/share/doc/**/*", recursive=True)):
        try:
            with (gzip.open if path.endswith(".gz") else open)(path, "rb") as source:
                for line in source:
                    if len(line) >= 12:
                        seen.setdefault(line.strip(), None)
        except OSError:
            continue
        if len(seen) >= count:
            break
    return list(seen)[:count]
