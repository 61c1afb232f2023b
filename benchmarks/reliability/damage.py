"""R8: flipped bytes and cut-off files, anywhere in a finished run, are found and mended."""

import json
from pathlib import Path

from benchmarks.reliability.audit import commits
from benchmarks.reliability.bench import Bench, Failed
from benchmarks.reliability.rows import Row

PER_BATCH = 25
"""Files harmed at once."""
STAND_IN = (("journal.jsonl", "manifest.json"), ("resolved.json", "results.zarr/zarr.json"))
"""Each of a pair stands in for the other: only one of them is harmed at once."""


def r8(bench: Bench) -> Row:
    """Flip and truncate."""
    from pulsatile.sweeps.run.verify import verify  # in this process: two thousand starts would measure Python

    wanted, study = bench.pick(1000, 10), bench.study(bench.pick(200, 12))
    out, digest = bench.folder(), bench.truth(study)
    bench.pulsatile("run", study, "--out", out, "--chunk", 4, "--workers", 1, "--threads", 1)
    kinds = _kinds(out)
    done, found, files = {"flip": 0, "truncation": 0}, 0, dict.fromkeys(kinds, 0)
    healed = again = told_by_record = 0
    owner = {name: first for first, text in commits(out).items() for name in json.loads(text)["files"]}
    while sum(done.values()) < 2 * wanted:
        harmed: dict[str, Path] = {}
        for _ in range(min(PER_BATCH, 2 * wanted - sum(done.values()))):
            kind = bench.chance.choice(list(kinds))
            path = bench.chance.choice(kinds[kind])
            name = path.relative_to(out).as_posix()
            if path.stat().st_size == 0 or name in harmed or _other(name, harmed):
                continue
            form = bench.chance.choice([form for form, count in done.items() if count < wanted])
            _harm(bench, path, form)
            harmed[name] = path
            done[form] += 1
            files[kind] += 1
        before = commits(out)
        findings = {f.path: f.chunk for f in verify(out)}
        hit = {chunk for chunk in findings.values() if chunk is not None}
        missed = [name for name in harmed if name not in findings and owner.get(name) not in hit]
        told_by_record += len(set(harmed) - set(findings))
        if missed:
            raise Failed(f"not found: {missed[:5]}")
        found += len(harmed)
        ended = bench.pulsatile("heal", out, "--workers", 1, "--threads", 1, "--json").json
        after = commits(out)
        computed = {first for first in after if after[first] != before.get(first)}
        if set(ended["chunks"]) != hit or not computed <= hit:
            raise Failed(f"healed {ended['chunks']}, computed {computed}, hit {hit}")
        if ended["digest"] != digest:
            raise Failed("digest differs after heal")
        healed, again = healed + 1, again + len(computed)
        bench.say(f"R8 {sum(done.values())}/{2 * wanted}: {len(harmed)} harmed, {len(hit)} chunks healed, digest equal")
    bench.pulsatile("verify", out)
    if bench.pulsatile("digest", out).out.strip() != digest:
        raise Failed("digest differs at the end")
    where = ", ".join(f"{count} {kind}" for kind, count in files.items())
    text = f"{done['flip']} single-byte flips, {done['truncation']} truncations ({where}), healed in {healed} batches"
    reached = (
        f"{found} of {sum(done.values())} found ({told_by_record} by the damaged record of their chunk); only the "
        f"{again} hit chunks computed again; digest always equal"
    )
    return Row("R8", text, "100 % found; only hit chunks computed again; digest equal", reached, True)


def _kinds(out: Path) -> dict[str, list[Path]]:
    """Return the run's files by kind."""
    files = sorted(path for path in out.rglob("*") if path.is_file())
    data = [p for p in files if "c" in p.relative_to(out).parts[1:-1]]
    small = [p for p in files if p.parent == out]
    index = [p for p in files if p not in data and p not in small]
    return {"in data": data, "in index and commit records": index, "in journal, manifest and small files": small}


def _other(name: str, harmed: dict[str, Path]) -> bool:
    return any(name in pair and not harmed.keys().isdisjoint(pair) for pair in STAND_IN)


def _harm(bench: Bench, path: Path, form: str) -> None:
    data = bytearray(path.read_bytes())
    at = bench.chance.randrange(len(data))
    if form == "flip":
        data[at] ^= 1 << bench.chance.randrange(8)
    path.write_bytes(data if form == "flip" else data[:at])
