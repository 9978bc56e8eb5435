"""Four classes of vehicles, as solids with random proportions; they face -z."""

from __future__ import annotations

from labeleff.plugins.tasks.scenes.parts import Kit


def airplane(kit: Kit) -> None:
    """Build a fuselage with wings and a tail: airliners, propeller planes, fighters with a delta wing."""
    liner, propeller, fighter = kit.choice(0.5, 0.25, 0.25)
    girth, length = kit.between(0.075, 0.12), kit.between(0.62, 0.85)
    kit.round((0.0, 0.0, 0.0), (girth, girth, 0.72 * length), along="z")
    kit.round((0.0, 0.0, -0.72 * length), (girth, girth, 0.3 * length), along="z", profile="ball")
    tail = (0.0, 0.0, 1.0 * length)
    kit.round(tail, (girth, girth, 0.3 * length), along="z", taper=kit.between(0.6, 0.95))
    sweep = kit.between(0.3, 0.6) * liner + kit.between(-0.05, 0.15) * propeller + 0.75 * fighter
    span = kit.between(0.36, 0.5) * (1.0 - 0.35 * fighter)
    chord = kit.between(0.1, 0.16) * (1.0 + 0.9 * fighter)
    high = kit.chance(0.35)
    y = girth * (0.8 * high - 0.55 * ~high)
    root = kit.between(-0.1, 0.1)
    wing = (0.9 * span * sweep.cos(), y, root + span * sweep.sin())
    kit.block(wing, (span, 0.018, chord), along="x", taper=(0.3, 0.62), turn=("y", -sweep), pair=True)
    fin, rear = kit.between(0.11, 0.19), 1.12 * length
    tee = kit.chance(0.3)
    kit.block((0.0, girth * 0.4 + fin, rear), (0.016, fin, 0.12), along="y", taper=(0.5, 0.0), turn=("x", 0.35))
    stabiliser = (0.13, 0.3 * girth + 2 * fin * tee, rear + 0.06 + 0.08 * tee)
    kit.block(stabiliser, (0.14, 0.013, 0.07), along="x", taper=(0.0, 0.5), turn=("y", -0.4), pair=True)
    pod, inner = kit.between(0.035, 0.055), kit.between(0.28, 0.4)
    four, aft = kit.chance(0.35), kit.chance(0.2)
    z = root - 0.3 * chord
    under = (inner, y - 1.2 * pod, z + inner * sweep.sin())
    kit.round(under, (pod, pod, 0.11), along="z", where=liner & ~aft, pair=True)
    outer = 1.75 * inner
    kit.round(
        (outer, y - 1.2 * pod, z + outer * sweep.sin()), (pod, pod, 0.1), along="z", where=liner & four, pair=True
    )
    kit.round((girth + pod, 0.4 * girth, 0.75 * length), (pod, pod, 0.13), along="z", where=liner & aft, pair=True)
    blade = kit.between(0.16, 0.24)
    kit.block((0.0, 0.0, -1.03 * length), (0.022, blade, 0.012), turn=("z", kit.between(0, 3.1)), where=propeller)
    kit.round((0.0, girth, -0.3 * length), (0.7 * girth, girth, 0.24), along="z", profile="ball", where=~liner)


def car(kit: Kit) -> None:
    """Build a body with a cabin on four wheels: saloon, van, pick-up, low sports car."""
    saloon, van, pickup, sports = kit.choice(0.4, 0.22, 0.18, 0.2)
    length, width = kit.between(0.85, 1.05), kit.between(0.36, 0.44)
    wheel = kit.between(0.13, 0.19)
    low = wheel * 0.75
    body = kit.between(0.13, 0.19) - 0.04 * sports + 0.05 * van
    kit.block((0.0, low + body, 0.0), (width, body, length), taper=(0.05, 0.06))
    hood = kit.between(0.45, 0.62)
    cabin = kit.between(0.15, 0.21) - 0.04 * sports + 0.12 * van
    half = length * (0.5 * saloon + 0.82 * van + 0.34 * pickup + 0.42 * sports)
    middle = length * (0.1 * saloon + 0.14 * van - 0.1 * pickup + 0.15 * sports) + 0.05 * (hood - 0.5)
    slope = 0.42 * saloon + 0.14 * van + 0.25 * pickup + 0.55 * sports
    kit.block((0.0, low + 2 * body + cabin, middle), (0.9 * width, cabin, half), taper=(slope, 0.22))
    side = (0.98 * width, low + 2.2 * body, 0.62 * length)
    kit.block(side, (0.03, 0.4 * body, 0.38 * length), where=pickup, pair=True)
    kit.block((0.0, low + 2.2 * body, 0.98 * length), (width, 0.4 * body, 0.03), where=pickup)
    base = kit.between(0.58, 0.68) * length
    for z in (-1.0, 1.0):
        kit.round((0.92 * width, wheel, z * base), (0.08, wheel, wheel), along="x", pair=True)
        kit.round((0.99 * width, wheel, z * base), (0.08, 0.5 * wheel, 0.5 * wheel), along="x", pair=True)
    kit.block((0.0, low + 0.5 * body, -length), (0.9 * width, 0.3 * body, 0.05))
    kit.block((0.0, low + 0.5 * body, length), (0.9 * width, 0.3 * body, 0.05))
    kit.round((0.68 * width, low + 1.25 * body, -0.99 * length), (0.08, 0.06, 0.05), along="z", pair=True)
    spoiler = sports & kit.chance(0.6)
    kit.block((0.0, low + 2 * body + 0.1, 0.92 * length), (0.95 * width, 0.016, 0.09), where=spoiler)
    rack = (van | saloon) & kit.chance(0.25)
    kit.block((0.0, low + 2 * body + 2 * cabin + 0.05, middle), (0.6 * width, 0.05, 0.5 * half), where=rack)


def motorcycle(kit: Kit) -> None:
    """Build two wheels in line with a frame, a tank, a seat and handlebars: road bikes, choppers, scooters."""
    road, chopper, scooter = kit.choice(0.5, 0.25, 0.25)
    wheel = kit.between(0.24, 0.31) - 0.08 * scooter
    base = kit.between(0.5, 0.6) + 0.14 * chopper
    thick = kit.between(0.04, 0.075)
    for z in (-1.0, 1.0):
        kit.round((0.0, wheel, z * base), (thick, wheel, wheel), along="x")
        kit.round((0.0, wheel, z * base), (thick + 0.03, 0.28 * wheel, 0.28 * wheel), along="x")
    rake = kit.between(0.35, 0.5) + 0.25 * chopper
    fork = kit.between(0.27, 0.34) + 0.08 * chopper
    top_y, top_z = wheel + 2 * fork * rake.cos(), -base + 2 * fork * rake.sin()
    place = (thick + 0.025, (wheel + top_y) / 2, (top_z - base) / 2)
    kit.round(place, (0.022, fork, 0.022), turn=("x", rake), pair=True)
    bars = kit.between(0.2, 0.32)
    kit.round((0.0, top_y + 0.03, top_z + 0.03), (bars, 0.022, 0.022), along="x")
    kit.round((bars, top_y + 0.03, top_z + 0.09), (0.03, 0.03, 0.09), along="z", pair=True)
    kit.round((0.0, top_y - 0.09, top_z - 0.09), (0.075, 0.075, 0.07), along="z", profile="ball")
    saddle = wheel + kit.between(0.22, 0.32)
    kit.round(
        (0.0, saddle + 0.08, -0.1), (0.11, kit.between(0.1, 0.15), 0.25), along="z", profile="ball", where=~scooter
    )
    kit.block((0.0, saddle, 0.3), (0.1, 0.05, kit.between(0.22, 0.32)), taper=(0.2, 0.2))
    kit.block((0.0, wheel + 0.06, 0.0), (0.11, kit.between(0.12, 0.17), 0.2), where=~scooter)
    kit.round((0.0, wheel + 0.16, -0.12), (0.08, 0.13, 0.08), turn=("x", -0.4), where=road)
    kit.block((0.0, wheel * 0.8, -0.02), (0.13, 0.035, 0.36), where=scooter)
    kit.block((0.0, wheel + 0.2, -0.36), (0.15, 0.28, 0.03), turn=("x", rake), where=scooter)
    kit.block((0.0, wheel + 0.12, 0.4), (0.13, 0.16, 0.26), taper=(0.3, 0.2), where=scooter)
    pipe = (0.14, wheel * 0.75, 0.36)
    kit.round(pipe, (0.04, 0.04, kit.between(0.24, 0.36)), along="z", turn=("x", -0.08))
    tail = (0.0, 2.02 * wheel, base + 0.03)
    kit.block(tail, (thick + 0.02, 0.02, 0.75 * wheel), turn=("x", -0.25))
    kit.block((0.0, 2.04 * wheel, -base), (thick + 0.02, 0.02, 0.6 * wheel), where=~chopper)
    kit.block((0.0, wheel + 0.02, 0.45 * base), (0.06, 0.035, 0.5 * base))
    screen = road & kit.chance(0.45)
    kit.block((0.0, top_y + 0.08, top_z - 0.06), (0.14, 0.13, 0.014), turn=("x", 0.6), taper=(0.0, 0.4), where=screen)


def watercraft(kit: Kit) -> None:
    """Build a hull that narrows to its bow: sailing boats, motor yachts, cargo ships."""
    sail, motor, cargo = kit.choice(0.38, 0.32, 0.3)
    length = kit.between(0.6, 0.75) + 0.25 * cargo
    width, draught = kit.between(0.17, 0.25), kit.between(0.1, 0.15)
    kit.block((0.0, draught, 0.15 * length), (width, draught, 0.75 * length), taper=(-0.12, -0.35))
    bow = kit.between(0.22, 0.38)
    stem = (0.0, draught + 0.015, -0.6 * length - 0.9 * bow)
    kit.block(stem, (width, draught, bow), along="z", taper=(-0.97, -0.35))
    deck = 2 * draught
    mast, place = kit.between(0.55, 0.8), kit.between(-0.25, 0.0)
    kit.round((0.0, deck + mast, place), (0.022, mast, 0.022), where=sail)
    foot, up = kit.between(0.26, 0.38), 0.9 * mast
    kit.block((0.0, deck + 0.12 + up, place + foot), (0.012, up, foot), taper=(0.97, 0.0), turn=("x", 0.0), where=sail)
    kit.block((0.0, deck + 0.1, place + foot), (0.02, 0.02, foot), where=sail)
    jib = sail & kit.chance(0.7)
    ahead = (0.0, deck + 0.08 + 0.65 * up, place - 0.24)
    kit.block(ahead, (0.012, 0.65 * up, 0.2), taper=(0.97, 0.0), where=jib)
    kit.block((0.0, deck + 0.04, 0.3 * length), (0.6 * width, 0.05, 0.25 * length), where=sail)
    house, level = kit.between(0.3, 0.45), kit.between(0.07, 0.11)
    kit.block((0.0, deck + level, 0.12), (0.78 * width, level, house), taper=(0.25, 0.1), where=motor)
    kit.block((0.0, deck + 3 * level, 0.18), (0.6 * width, level, 0.6 * house), taper=(0.3, 0.1), where=motor)
    kit.round((0.0, deck + 4.6 * level, 0.25), (0.015, 0.14, 0.015), where=motor)
    kit.block((width, deck + 0.06, 0.1), (0.012, 0.012, 0.7 * length), where=motor, pair=True)
    bridge, rear = kit.between(0.16, 0.26), 0.7 * length
    kit.block((0.0, deck + bridge, rear), (0.85 * width, bridge, 0.13), where=cargo)
    kit.round((0.0, deck + 2 * bridge + 0.08, rear + 0.04), (0.05, 0.12, 0.06), taper=0.2, where=cargo)
    stacks, tall = kit.between(0.1, 0.14), kit.between(0.05, 0.14)
    for step in range(4):
        z = rear - 0.27 - step * 2.15 * stacks
        high = tall * (1.0 + 0.6 * kit.between(0.0, 1.0))
        kit.block((0.0, deck + high, z), (0.85 * width, high, stacks), where=cargo)
