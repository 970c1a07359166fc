"""Knows who uses whom, and whom a change therefore reaches. Does not know paths.

Names are the service map's own; an edge to a name that does not exist leads nowhere.
"""

from collections.abc import Iterable, Mapping


def reached(changed: Iterable[str], uses: Mapping[str, tuple[str, ...]], mode: str) -> dict[str, str]:
    """Who uses a changed one, and whom they use: `direct` or `transitive`; `none` reaches nobody.

    Nearest first and then by name, so that the same change always has the same reasons.
    """
    users: dict[str, list[str]] = {}
    for user, used in uses.items() if mode != "none" else ():
        for name in used:
            users.setdefault(name, []).append(user)
    seen = set(changed)
    found: dict[str, str] = {}
    wave = sorted(seen)
    while wave:
        following = []
        for name in wave:
            for user in sorted(users.get(name, ())):
                if user not in seen:
                    seen.add(user)
                    found[user] = name
                    following.append(user)
        wave = sorted(following) if mode == "transitive" else []
    return found


def cycle(uses: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """One circle of uses, its first name repeated at the end; empty when there is none."""
    done: set[str] = set()
    for start in uses:
        trail: dict[str, list[str]] = {}
        if start not in done:
            trail[start] = list(uses[start])
        while trail:
            name = next(reversed(trail))
            following = trail[name].pop() if trail[name] else None
            if following is None:
                done.add(name)
                del trail[name]
            elif following in trail:
                names = list(trail)
                return (*names[names.index(following) :], following)
            elif following not in done:
                trail[following] = list(uses.get(following, ()))
    return ()
