"""The attacks: each is given a gateway and seconds, and tells how often its attackers were answered what.

Attackers are processes of their own, so that they take none of the healthy client's time, and come from other addresses. They have
machines of their own elsewhere: here they get what time the gateway and the Kubernetes API leave.
"""

import collections
import multiprocessing
import os
import random
import socket
import time

import wire

ALERTS_MAX = 1000
BODY_BYTES_MAX = 1 << 20
PROCESSES = 4


def spread(work, count, *arguments):
    """Runs `work(number, …)` for `count` attackers, in as many threads over a few processes; counts what they return."""
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    numbers = [range(first, count, PROCESSES) for first in range(min(PROCESSES, count))]
    children = [context.Process(target=many, args=(work, part, results, arguments), daemon=True) for part in numbers]
    for child in children:
        child.start()
    total = collections.Counter()
    for _ in children:
        total.update(results.get())
    for child in children:
        child.join(10)
    return total


def many(work, numbers, results, arguments):
    from concurrent.futures import ThreadPoolExecutor

    os.nice(10)
    with ThreadPoolExecutor(max(1, len(numbers))) as pool:
        outcomes = list(pool.map(lambda number: work(number, *arguments), numbers))
    total = collections.Counter()
    for outcome in outcomes:
        total.update(outcome if isinstance(outcome, dict) else [outcome])
    results.put(total)


def source(number, addresses):
    """One of `addresses` addresses of loopback that are not the healthy client's."""
    return f"127.0.1.{1 + number % addresses}"


def post(number, port, token, bodies):
    try:
        connection = wire.Connection(port, source(number, 4), 35)
        return str(connection.post(bodies[number % len(bodies)], token))
    except OSError as error:
        return type(error).__name__


def at_once(gateway, bodies):
    return spread(post, len(bodies), gateway.ports["listen"], gateway.world.token, bodies)


def large_webhooks(gateway, seconds):
    """20 webhooks of 1,000 ordinary alerts each, about 20,000 resources, at once."""
    bodies = [wire.webhook([f"w{number}-{place}" for place in range(ALERTS_MAX)]) for number in range(20)]
    return at_once(gateway, bodies)


def full_bodies(gateway, seconds):
    """100 bodies of 1 MiB at once."""
    alerts = [wire.alert(f"f-{place}", annotations={"description": "d" * 480}) for place in range(ALERTS_MAX)]
    bodies = [padded(alerts)] * 100
    return at_once(gateway, bodies)


large_webhooks.is_work = full_bodies.is_work = True


def tiny_labels(gateway, seconds):
    """20 bodies of 1 MiB made of as many tiny labels as fit."""
    labels = {f"l{number}": "v" for number in range(3000)}
    alerts = [wire.alert(f"t-{place}", labels) for place in range(22)]
    return at_once(gateway, [padded(alerts)] * 20)


tiny_labels.is_work = True


def post_again(number, port, token, data, until):
    counts = collections.Counter()
    while time.monotonic() < until:
        counts[post(number, port, token, [data])] += 1
    return counts


def tiny_keys(gateway, seconds):
    """100 connections send bodies of 1 MiB that are one object of as many keys as fit, again and again."""
    keys = ",".join(f'"{number:x}":0' for number in range(100_000))
    data = f"{{{keys}}}".encode()
    return spread(post_again, 100, gateway.ports["listen"], gateway.world.token, data, time.monotonic() + seconds)


def padded(alerts):
    """The webhook of `alerts`, as large as a body may be."""
    data = wire.body(alerts)
    while len(data) > BODY_BYTES_MAX:
        alerts = alerts[: len(alerts) * 99 // 100]
        data = wire.body(alerts)
    return data


def again(number, port, until, addresses, act, receive_bytes=None):
    """Has `act` do with a new connection what it does, again and again: as often as that ends or is closed."""
    counts = collections.Counter()
    while time.monotonic() < until:
        try:
            timeout = max(0.1, until - time.monotonic())
            act(wire.Connection(port, source(number, addresses), timeout, receive_bytes), counts)
        except TimeoutError:
            counts["held to the end"] += 1
        except OSError:
            counts["closed"] += 1
            time.sleep(0.05)
    return counts


def hold(number, port, start, until, addresses):
    """Sends `start` and no more."""

    def act(connection, counts):
        connection.send(start)
        counts[str(connection.status())] += 1

    return again(number, port, until, addresses, act)


def holding(gateway, seconds, count, start, addresses=4):
    return spread(hold, count, gateway.ports["listen"], start, time.monotonic() + seconds, addresses)


def silent_bodies(gateway, seconds):
    """300 connections with a valid token announce a body and never send it, again and again."""
    return holding(gateway, seconds, 300, wire.head(gateway.world.token, "Content-Length: 2000"))


def stalled_bodies(gateway, seconds):
    """300 connections with a valid token send 60 KiB of a body, and no more."""
    return holding(gateway, seconds, 300, wire.head(gateway.world.token, "Content-Length: 65000") + b" " * 61440)


def stalled_large_bodies(gateway, seconds):
    """100 connections with a valid token send 900 KiB of a body, and no more."""
    return holding(gateway, seconds, 100, wire.head(gateway.world.token, "Content-Length: 1000000") + b" " * 921600)


def byte_chunks(gateway, seconds):
    """50 bodies in chunks of one byte each, without a length, and no end."""
    chunks = b"1\r\n \r\n" * 200_000
    return holding(gateway, seconds, 50, wire.head(gateway.world.token, "Transfer-Encoding: chunked") + chunks)


def slow_heads(gateway, seconds):
    """1,500 connections send half a head; the healthy client opens a new connection each time."""
    return holding(gateway, seconds, 1500, b"POST /api/v1/signals/prometheus HTTP/1.1\r\nHost: ", 8)


def large_heads(gateway, seconds):
    """2,500 connections send 15 KiB of a head; the healthy client opens a new connection each time."""
    start = wire.head("none", *[f"X-{number}: {'x' * 1000}" for number in range(15)])[:-2]
    return holding(gateway, seconds, 2500, start, 8)


slow_heads.fresh = large_heads.fresh = large_heads.is_flood = True


def idle(number, port, token, until, addresses):
    """Uses a connection once, and keeps it."""
    try:
        connection = wire.Connection(port, source(number, addresses), max(1, until - time.monotonic()))
        connection.send(wire.head("none", "Content-Length: 0"))
        connection.status()
        connection.socket.settimeout(max(0.1, until - time.monotonic()))
        connection.receive()
        return "answered more"
    except TimeoutError:
        return "kept to the end"
    except OSError:
        return "closed"


def idle_connections(gateway, seconds):
    """2,500 idle connections from 8 addresses; the healthy client opens a new one each time."""
    return spread(idle, 2500, gateway.ports["listen"], gateway.world.token, time.monotonic() + seconds, 8)


idle_connections.fresh = True


def few_files(gateway, seconds):
    """1,100 idle connections to a process that may open 1,024 files and no more."""
    return spread(idle, 1100, gateway.ports["listen"], gateway.world.token, time.monotonic() + seconds, 8)


few_files.fresh, few_files.files = True, "1024:1024"


def garbage(number, port, start, seconds, count, until):
    counts = collections.Counter()
    draws = random.Random(number)
    data = wire.webhook(["garbage"])
    connection = None
    for place in range(count):
        # An eager one has no time to wait for.
        time.sleep(max(0, start + seconds * place / count - time.monotonic()))
        if time.monotonic() > until:
            break
        try:
            connection = connection or wire.Connection(port, source(number, 4), 35)
            counts[str(connection.post(data, f"garbage-{draws.getrandbits(64):x}"))] += 1
        except OSError:
            connection = None
            counts["closed"] += 1
    return counts


def garbage_tokens(gateway, seconds):
    """2,000 made-up tokens a second over 64 connections."""
    start = time.monotonic()
    return spread(garbage, 64, gateway.ports["listen"], start, seconds, 2000 * seconds // 64, start + seconds)


def flood_of_tokens(gateway, seconds):
    """Made-up tokens over 512 connections, as fast as they are answered."""
    start = time.monotonic()
    return spread(garbage, 512, gateway.ports["listen"], start, 0, 100_000, start + seconds)


def bad(number, port, token, until):
    counts = collections.Counter()
    data = b'{"alerts":[' + b",".join([b'"' + b"x" * 20 + b'"'] * ALERTS_MAX) + b"]}"
    while time.monotonic() < until:
        try:
            connection = wire.Connection(port, source(number, 4), 35)
            connection.send((wire.head(token, f"Content-Length: {len(data)}") + data) * 8)
            time.sleep(0.5)
            counts["sent, not read"] += 8
        except OSError:
            counts["closed"] += 1
    return counts


def unread_answers(gateway, seconds):
    """200 connections send bodies of 1,000 bad alerts, and read no answer."""
    return spread(bad, 200, gateway.ports["listen"], gateway.world.token, time.monotonic() + seconds)


def bad_alerts(gateway, seconds):
    """8 connections send bodies of 1,000 bad alerts, again and again: each alert is rejected, and none may fill the log."""
    data = b'{"alerts":[' + b",".join([b'{"labels":{"alertname":""},"startsAt":"never"}'] * ALERTS_MAX) + b"]}"
    return spread(post_again, 8, gateway.ports["listen"], gateway.world.token, data, time.monotonic() + seconds)


def unread_log(gateway, seconds):
    """The same, while nobody reads what the gateway writes to standard output."""
    return bad_alerts(gateway, seconds)


bad_alerts.is_flood = unread_log.is_flood = True
unread_log.keeps_log = False


def escaped_annotations(gateway, seconds):
    """20 bodies of 7 alerts with 131 KB of `<` each, which Go stores sixfold: etcd would refuse them."""
    alerts = [wire.alert(f"e-{place}", annotations={"description": "<" * 131_000}) for place in range(7)]
    return at_once(gateway, [wire.body(alerts)] * 20)


def hanging_datastorage(gateway, seconds):
    """100 bodies of 20 alerts with 30 KB of labels each, while DataStorage takes connections and answers nothing."""
    labels = {f"label_{number}": "v" * 1000 for number in range(30)}
    bodies = [wire.webhook([f"h{number}-{place}" for place in range(20)], labels=labels) for number in range(100)]
    return at_once(gateway, bodies)


def silent_service():
    """The address of a service that takes connections and answers nothing."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    SILENT.append(listener)
    return {"GATEWAY__DATASTORAGE__URL": f"http://127.0.0.1:{listener.getsockname()[1]}"}


SILENT = []
escaped_annotations.is_work = hanging_datastorage.is_work = True
hanging_datastorage.settings = silent_service


def unread(number, port, token, until):
    """Holds on to a connection on which an answer waits; the smallest of windows, so that the gateway keeps it."""
    data = b'{"alerts":[' + b",".join([b'{"labels":{"alertname":"' + b"x" * 70 + b'"},"startsAt":"' + b"y" * 64 + b'"}'] * ALERTS_MAX) + b"]}"
    try:
        connection = wire.Connection(port, source(number, 8), 35, receive_bytes=4096)
        connection.send(wire.head(token, f"Content-Length: {len(data)}") + data)
        time.sleep(max(0, until - time.monotonic()))
        connection.close()
        return "sent, not read"
    except OSError:
        return "closed"


def kept_answers(gateway, seconds):
    """2,000 connections send one body of 1,000 bad alerts each, and read no answer."""
    return spread(unread, 2000, gateway.ports["listen"], gateway.world.token, time.monotonic() + seconds)


kept_answers.is_flood = True


def prober(number, ports, until):
    """Asks a listener for operators again and again on one connection, and reads nothing."""
    port, path = ports[number % len(ports)]
    requests = f"GET {path} HTTP/1.1\r\nHost: gateway\r\n\r\n".encode() * 200

    def act(connection, counts):
        while time.monotonic() < until:
            connection.send(requests)
            counts["sent, not read"] += 200

    return again(number, port, until, 5, act, receive_bytes=4096)


def unread_operations(gateway, seconds):
    """200 connections from five addresses ask for /metrics and /livez all the time, and read no answer."""
    ports = [(gateway.ports["metrics"], "/metrics"), (gateway.ports["health"], "/livez")]
    return spread(prober, 200, ports, time.monotonic() + seconds)


unread_operations.is_flood = True

ALL = [
    large_webhooks, full_bodies, tiny_labels, tiny_keys, silent_bodies, stalled_bodies, stalled_large_bodies, byte_chunks,
    slow_heads, large_heads, idle_connections, few_files, garbage_tokens, flood_of_tokens, unread_answers,
    kept_answers, unread_operations, bad_alerts, unread_log, escaped_annotations, hanging_datastorage,
]
