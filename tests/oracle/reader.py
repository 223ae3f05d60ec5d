"""Reads and writes safetensors files with NumPy alone, from the public description of the format: 8 bytes of header length,
a JSON header of names, types, shapes and byte ranges, then the bytes.  Shares nothing with the program."""
import json
import struct

import numpy as np

TYPES = {"F32": "<f4", "F64": "<f8", "I32": "<i4", "I64": "<i8", "U8": "u1"}


def read(path):
    """The metadata (a dict of texts) and the tensors (a dict of arrays, in the order of their bytes)."""
    with open(path, "rb") as file:
        content = file.read()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    data = content[8 + length :]
    metadata = header.pop("__metadata__", {})
    assert all(isinstance(value, str) for value in metadata.values()), "metadata must be texts"
    tensors, end = {}, 0
    for name, entry in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, stop = entry["data_offsets"]
        assert begin == end, f"{name}: a gap or an overlap at byte {begin}"
        array = np.frombuffer(data[begin:stop], dtype=TYPES[entry["dtype"]])
        tensors[name] = array.reshape(entry["shape"])
        end = stop
    assert end == len(data), f"{len(data) - end} bytes behind the last tensor"
    return metadata, tensors


def write(path, tensors):
    """Writes a dict of arrays, in its order."""
    names = {value: key for key, value in TYPES.items()}
    header, blob = {}, b""
    for name, value in tensors.items():
        array = np.ascontiguousarray(value)
        raw = array.tobytes()
        header[name] = {"dtype": names[array.dtype.str.lstrip("|")], "shape": list(np.shape(value)),
                        "data_offsets": [len(blob), len(blob) + len(raw)]}
        blob += raw
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + blob)
