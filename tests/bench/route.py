#!/usr/bin/python3
"""Deliveries and submissions of Mailrail and a peer by turns: rates, CPU per message, and the ratios of both.

    HARNESS/netns.sh tests/bench/route.py HARNESS WORKDIR [--rounds 5] [--seconds 2] [--only CASE]...

HARNESS is a directory with mailbench.py, which drives any mail server through its ports, and peers/. Each server is
started with its recipe, once, and asked in turns for one run of each case, so that what else the machine does meets
both. The figures are medians of the rounds, and of the ratios of each round. BENCH_BIN names other executables of ours,
`--other DIR` measures those of DIR beside them instead of the peer. Needs root and a release build.
"""
import argparse
import importlib.util
import os
import pathlib
import statistics
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
CASES = {"deliver-1": ("smtp", 1), "deliver-10": ("smtp", 10), "deliver-50": ("smtp", 50),
         "submit-1": ("submit", "none", 1, 100), "submit-10-tls": ("submit", "starttls", 10, 1)}


def harness(directory):
    """mailbench.py as a module: its last line, which runs it, left out."""
    path = pathlib.Path(directory) / "mailbench.py"
    source = path.read_text().rstrip().removesuffix("main()")
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("mailbench", loader=None))
    module.__file__ = str(path)
    module.HERE = str(directory)
    exec(compile(source.replace("HERE = os.path.dirname(os.path.abspath(__file__))", f"HERE = {str(directory)!r}"),
                 str(path), "exec"), module.__dict__)
    return module


def start(mailbench, recipe, directory):
    server = mailbench.Bench(argparse.Namespace(dir=str(directory), peer=str(recipe), label=""))
    if not (directory / "server.json").exists():
        directory.mkdir(parents=True, exist_ok=True)
        server.recipe("init")
    server.start()
    return server


def one_run(server, case, count):
    """(messages a second, ms of the server's CPU a message) of one run."""
    kind, *rest = CASES[case]
    if kind == "smtp":
        answer = server.smtp_once(100, 0, rest[0], 4096, 100, count)
        rate, lost = answer["delivered_rate"], answer["lost"] + answer["fail"]
    else:
        answer = server.submit_once(*rest, count)
        rate, lost = answer["e2e_rate"], count - answer["got"]
    if lost:
        sys.exit(f"{case}: {lost} messages missing: {answer}")
    return rate, answer["cpu_ms_per_msg"]


def counts_of(servers, case, seconds):
    """How many messages make a run of that many seconds, for each server; warms it up, too."""
    return [max(200, int(one_run(server, case, 200)[0] * seconds)) for server in servers]


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("harness", type=lambda text: pathlib.Path(text).resolve())
    options.add_argument("workdir", type=lambda text: pathlib.Path(text).resolve())
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--seconds", type=float, default=2)
    options.add_argument("--only", action="append", choices=list(CASES))
    options.add_argument("--other", help="executables to measure beside ours, instead of the peer")
    options = options.parse_args()
    mailbench = harness(options.harness)
    mailbench.build()
    dns = mailbench.subprocess.Popen([mailbench.LOAD, "dns", "--port", "53", "--timeout", "7200"],
                                     stdout=mailbench.subprocess.PIPE, text=True)
    dns.stdout.readline()
    cases = options.only or list(CASES)
    wins = {case: [] for case in cases}
    figures = {case: [] for case in cases}
    servers = []
    try:
        if options.other:
            own = os.environ.get("BENCH_BIN")
            os.environ.update(BENCH_BIN=options.other, BENCH_PORTS="5")
            servers.append(start(mailbench, HERE / "mailrail.sh", options.workdir / "other"))
            os.environ.pop("BENCH_PORTS")
            os.environ.pop("BENCH_BIN")
            if own:
                os.environ["BENCH_BIN"] = own
        else:
            servers.append(start(mailbench, options.harness / "peers/postfix-dovecot.sh", options.workdir / "peer"))
        servers.append(start(mailbench, HERE / "mailrail.sh", options.workdir / "mailrail"))
        counts = {case: counts_of(servers, case, options.seconds) for case in cases}
        for turn in range(options.rounds):
            for case in cases:
                pair = []
                for server, count in zip(servers, counts[case]):
                    pair.append(one_run(server, case, count))
                    time.sleep(0.3)
                figures[case].append(pair)
                wins[case].append(pair[1][0] / pair[0][0])
                print(f"{turn + 1} {case:14} peer {pair[0][0]:7.0f}/s {pair[0][1]:6.3f} ms   ours {pair[1][0]:7.0f}/s "
                      f"{pair[1][1]:6.3f} ms   {wins[case][-1]:5.2f} times", flush=True)
    finally:
        for server in servers:
            server.stop()
        dns.kill()
    print(f"{'median':16} {'peer /s':>8} {'ms CPU':>7} {'ours /s':>8} {'ms CPU':>7} {'times':>6} {'least':>6} {'CPU':>6}")
    for case in cases:
        peer, ours = ([statistics.median(pair[i][j] for pair in figures[case]) for j in (0, 1)] for i in (0, 1))
        print(f"{case:16} {peer[0]:8.0f} {peer[1]:7.3f} {ours[0]:8.0f} {ours[1]:7.3f} "
              f"{statistics.median(wins[case]):6.2f} {min(wins[case]):6.2f} {peer[1] / ours[1]:6.2f}")


if __name__ == "__main__":
    main()
