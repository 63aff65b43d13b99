#!/usr/bin/env python3
"""Takes the listed members of one pinned archive out, checks each hash, and puts them under deps/.

usage: unpack_pinned.py NAME ARCHIVE PINNED_LIST DEPS_DIR

A member is written beside its place and renamed only when its hash is right, so a target is whole or absent.
"""
import hashlib
import os
import sys
import tarfile
import zipfile


def open_member(archive, member):
    if zipfile.is_zipfile(archive):
        return zipfile.ZipFile(archive).open(member)
    stream = tarfile.open(archive).extractfile(member)
    if stream is None:
        raise KeyError(member)
    return stream


def unpack(archive, member, target, wanted):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    partial = target + ".partial"
    digest = hashlib.sha256()
    with open_member(archive, member) as source, open(partial, "wb") as out:
        while block := source.read(1 << 20):
            digest.update(block)
            out.write(block)
    if digest.hexdigest() != wanted:
        os.unlink(partial)
        sys.exit(f"unpack_pinned: {member}: sha256 is {digest.hexdigest()}, the list says {wanted}")
    os.replace(partial, target)


def main():
    name, archive, pinned, deps = sys.argv[1:]
    with open(pinned, encoding="utf-8") as lines:
        rows = [line.split() for line in lines if line.startswith("file ")]
    for _, owner, member, target, wanted in rows:
        if owner == name:
            unpack(archive, member, os.path.join(deps, target), wanted)


if __name__ == "__main__":
    main()
