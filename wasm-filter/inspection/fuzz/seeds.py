"""Writes the texts of the reviewed corpora as inputs of a fuzz target.

seeds.py TARGET FOLDER: of the corpus of that name if there is one, else of all of them.
Which plan an input is for is the fuzzer's to find: it is led by a byte where the target
has a choice to make.
"""

import hashlib
import json
import pathlib
import sys

CORPORA = pathlib.Path(__file__).parent.parent / "tests" / "corpora"
NAMES = {"path": "paths", "json_document": "json", "json_tokenizer": "json"}
LED = {"encoding": 1, "sql": 1, "mcp": 1, "a2a": 1, "kubernetes": 1, "elasticsearch": 1,
       "json_tokenizer": 1, "masker": 2, "inspector": 1}
CHOICES = {"sql": range(0, 21, 3), "inspector": range(13), "masker": range(4)}


def inputs(name, value):
    """What a member of a case may be as a body."""
    if isinstance(value, str):
        yield value.encode(errors="surrogatepass")
        if name in ("hex", "messages", "raw_hex") and len(value) % 2 == 0:
            try:
                yield bytes.fromhex(value)
            except ValueError:
                pass
    elif isinstance(value, list) and name == "lines":
        yield "\r\n".join(value).encode()
    elif isinstance(value, list) and name == "messages":
        for message in value:
            plain = bytes.fromhex(message) if isinstance(message, str) else b""
            yield b"\0" + len(plain).to_bytes(4, "big") + plain
    elif isinstance(value, (dict, list)):
        yield json.dumps(value).encode()


def main(target, folder):
    corpus = CORPORA / NAMES.get(target, target)
    files = corpus.glob("*.json") if corpus.is_dir() else CORPORA.glob("*/*.json")
    for file in files:
        for case in json.loads(file.read_text()):
            for name, value in case.items():
                if name in ("case", "unparsed", "ambiguous"):
                    continue
                for seed in inputs(name, value):
                    for choice in CHOICES.get(target, range(1)):
                        lead = bytes([choice, 7][: LED.get(target, 0)])
                        data = lead + seed
                        path = folder / hashlib.sha256(data).hexdigest()[:16]
                        if len(data) < 4096:
                            path.write_bytes(data)


main(sys.argv[1], pathlib.Path(sys.argv[2]))
