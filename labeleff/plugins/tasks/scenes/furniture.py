"""Six classes of furniture, as solids with random proportions.

Each function draws its objects' proportions and adds their solids to the kit.
"""

from __future__ import annotations

from torch import Tensor

from labeleff.plugins.tasks.scenes.parts import Kit, Number


def _legs(kit: Kit, width: Number, depth: Number, top: Number, thick: Number, where: Tensor) -> None:
    """Add four square legs from y = 0 to `top`, at x = +-width and z = +-depth."""
    for z in (-1.0, 1.0):
        kit.block((width, top / 2, z * depth), (thick, top / 2, thick), pair=True, where=where)


def bench(kit: Kit) -> None:
    """Build a long seat of slats on legs or end panels, with or without a back."""
    width, depth, seat = kit.between(0.8, 1.15), kit.between(0.2, 0.3), kit.between(0.36, 0.5)
    panels, slatted = kit.chance(0.45), kit.chance(0.6)
    back, arms = kit.chance(0.55), kit.chance(0.35)
    thin = kit.between(0.02, 0.04)
    kit.block((0.0, seat, 0.0), (width, thin, depth), where=~slatted)
    for place in (-0.7, 0.0, 0.7):
        kit.block((0.0, seat, place * depth), (width, thin, 0.24 * depth), where=slatted)
    legs = kit.between(0.7, 0.95) * width
    kit.block((legs, seat / 2, 0.0), (kit.between(0.02, 0.07), seat / 2, 0.9 * depth), where=panels, pair=True)
    _legs(kit, legs, 0.75 * depth, seat, kit.between(0.02, 0.045), ~panels)
    lean, high = kit.between(0.0, 0.25), kit.between(0.3, 0.5)
    for share in (0.45, 0.9):
        slat = (0.0, seat + share * high, depth + share * high * lean)
        kit.block(slat, (width, 0.17 * high, thin), turn=("x", lean), where=back)
    kit.block((legs, seat + high / 2, depth + 0.04), (0.03, high / 2, 0.025), turn=("x", lean), where=back, pair=True)
    kit.block((width, seat + 0.18, 0.0), (0.03, 0.025, depth), where=arms, pair=True)
    kit.block((width, seat + 0.09, -0.8 * depth), (0.03, 0.1, 0.03), where=arms, pair=True)


def cabinet(kit: Kit) -> None:
    """Build a closed box with doors or drawers and knobs, on a plinth or on feet."""
    width, height, depth = kit.between(0.32, 0.8), kit.between(0.4, 1.0), kit.between(0.2, 0.36)
    drawers, feet, board = kit.chance(0.5), kit.chance(0.5), kit.chance(0.6)
    lift = kit.between(0.05, 0.16)
    middle, front = lift + height, -depth
    kit.block((0.0, middle, 0.0), (width, height, depth))
    kit.block((0.0, middle + height + 0.03, 0.0), (width + 0.05, 0.03, depth + 0.05), where=board)
    kit.block((0.0, lift / 2, 0.0), (0.9 * width, lift / 2 + 0.01, 0.85 * depth), where=~feet)
    _legs(kit, 0.88 * width, 0.8 * depth, lift, 0.04, feet)
    gap, knob = 0.92, kit.between(0.02, 0.045)
    for row in (-1, 0, 1):
        y = middle + row * height * 0.64
        kit.block((0.0, y, front), (gap * width, 0.29 * height, 0.03), where=drawers)
        kit.round((0.0, y, front - 0.04), (0.3 * width, knob / 2, knob), along="x", where=drawers)
    kit.block((0.48 * width, middle, front), (0.44 * width, gap * height, 0.03), where=~drawers, pair=True)
    place = (0.14 * width, middle + kit.between(-0.2, 0.2), front - 0.04)
    kit.round(place, (knob / 2, 0.16 * height, knob), where=~drawers, pair=True)


def chair(kit: Kit) -> None:
    """Build a seat with a back, on four legs or a swivel foot; some have arms, some a round seat."""
    width, depth, seat = kit.between(0.24, 0.33), kit.between(0.23, 0.31), kit.between(0.4, 0.55)
    swivel, rounded, arms = kit.chance(0.3), kit.chance(0.3), kit.chance(0.4)
    solid, slats, spindles = kit.choice(0.4, 0.3, 0.3)
    thick = kit.between(0.025, 0.06)
    kit.block((0.0, seat, 0.0), (width, thick, depth), where=~rounded)
    kit.round((0.0, seat, 0.0), (width, thick, depth), where=rounded)
    _legs(kit, 0.85 * width, 0.85 * depth, seat, kit.between(0.018, 0.04), ~swivel)
    kit.round((0.0, seat / 2, 0.0), (0.035, seat / 2, 0.035), where=swivel)
    for angle in (0.0, 0.6 * 3.14159, 1.2 * 3.14159):
        kit.block((0.0, 0.03, 0.0), (1.05 * width, 0.03, 0.035), turn=("y", angle), where=swivel)
    high, lean = kit.between(0.4, 0.68), kit.between(0.0, 0.25)
    top, far = seat + high, depth + high * lean / 2
    kit.block((0.0, seat + high / 2, far), (width, high / 2, 0.025), turn=("x", lean), where=solid)
    bar = kit.between(0.018, 0.03)
    for share in (0.35, 0.65):
        place = (0.0, seat + share * high, depth + share * high * lean)
        kit.block(place, (0.9 * width, 0.09 * high, 0.02), turn=("x", lean), where=slats)
    for x in (0.25, 0.75):
        kit.block((x * width, seat + high / 2, far), (bar, high / 2, bar), turn=("x", lean), where=spindles, pair=True)
    rail = (0.0, top - 0.06, depth + lean * high)
    kit.block(rail, (width, 0.07, 0.028), turn=("x", lean), where=slats | spindles)
    side = (0.92 * width, seat + high / 2, far)
    kit.block(side, (0.03, high / 2, 0.03), turn=("x", lean), where=slats, pair=True)
    rest = kit.between(0.16, 0.24)
    kit.block((1.05 * width, seat + rest, 0.1 * depth), (0.03, 0.02, 0.8 * depth), where=arms, pair=True)
    kit.block((1.05 * width, seat + rest / 2, -0.5 * depth), (0.025, rest / 2, 0.025), where=arms, pair=True)


def lamp(kit: Kit) -> None:
    """Build a table lamp with a vase, a floor lamp, a desk lamp with a jointed arm, or one that hangs."""
    vase, floor, desk, hanging = kit.choice(0.3, 0.3, 0.2, 0.2)
    tall = kit.between(0.55, 0.8)
    shade, high, open_ = kit.between(0.28, 0.46), kit.between(0.2, 0.34), kit.between(0.15, 0.65)
    ball = kit.chance(0.25)
    top = tall + floor * kit.between(0.45, 0.9)
    standing = ~hanging
    kit.round((0.0, 0.03, 0.0), (kit.between(0.16, 0.26), 0.03, kit.between(0.16, 0.26)), where=standing)
    kit.round((0.0, top / 2, 0.0), (0.025, top / 2, 0.025), where=vase | floor)
    belly = kit.between(0.1, 0.2)
    kit.round((0.0, 0.42 * tall, 0.0), (belly, kit.between(0.2, 0.3), belly), profile="ball", where=vase)
    upright = vase | floor
    kit.round((0.0, top, 0.0), (shade, high, shade), taper=open_, where=upright & ~ball)
    kit.round((0.0, top, 0.0), (0.8 * shade, 0.8 * shade, 0.8 * shade), profile="ball", where=upright & ball)
    bend, reach = kit.between(0.35, 0.75), kit.between(0.55, 0.75)
    lower, upper = kit.between(0.28, 0.36), kit.between(0.26, 0.36)
    elbow_y, elbow_z = 2 * lower * bend.cos(), 2 * lower * bend.sin()
    kit.round((0.0, elbow_y / 2, elbow_z / 2), (0.025, lower, 0.025), turn=("x", bend), where=desk)
    arm_y, arm_z = elbow_y + upper * reach.cos(), elbow_z - upper * reach.sin()
    kit.round((0.0, arm_y, arm_z), (0.022, upper, 0.022), turn=("x", -reach), where=desk)
    head = (0.0, elbow_y + 2 * upper * reach.cos() - 0.08, elbow_z - 2 * upper * reach.sin() - 0.05)
    kit.round(head, (0.17, 0.14, 0.17), taper=0.7, turn=("x", kit.between(0.3, 0.7)), where=desk)
    drop = kit.between(0.5, 1.0)
    kit.round((0.0, 0.2 + drop / 2, 0.0), (0.015, drop / 2, 0.015), where=hanging)
    kit.round((0.0, 0.2 + drop, 0.0), (0.1, 0.025, 0.1), where=hanging)
    kit.round((0.0, 0.15, 0.0), (0.9 * shade, 0.75 * high, 0.9 * shade), profile="dome", where=hanging & ~ball)
    kit.round((0.0, 0.1, 0.0), (0.6 * shade, 0.6 * shade, 0.6 * shade), profile="ball", where=hanging & ball)


def sofa(kit: Kit) -> None:
    """Build a deep cushioned seat with a thick back and arms, some with a chaise."""
    width, depth = kit.between(0.65, 1.05), kit.between(0.32, 0.42)
    seat, high = kit.between(0.3, 0.4), kit.between(0.28, 0.45)
    arm, rest = kit.between(0.06, 0.13), kit.between(0.12, 0.26)
    rolled, three, chaise, feet = kit.chance(0.4), kit.chance(0.5), kit.chance(0.25), kit.chance(0.6)
    lift = 0.08 * feet
    kit.block((0.0, lift + seat / 2, 0.0), (width, seat / 2, depth))
    lean = kit.between(0.0, 0.2)
    back = (0.0, lift + seat + high / 2, depth - 0.06)
    kit.block(back, (width, high / 2 + 0.03, kit.between(0.07, 0.13)), turn=("x", lean))
    x, y = width + arm * 0.6, lift + (seat + rest) / 2
    kit.block((x, y, 0.0), (arm, (seat + rest) / 2, depth), pair=True)
    roll = (x, lift + seat + rest, 0.0)
    kit.round(roll, (1.4 * arm, 1.2 * arm, depth), along="z", where=rolled, pair=True)
    inside, soft = width - 0.4 * arm, kit.between(0.04, 0.075)
    for places, cushions in (((-0.5, 0.5), ~three), ((-0.667, 0.0, 0.667), three)):
        half = 0.96 / len(places)
        for place in places:
            middle = (place * inside, lift + seat + soft, -0.12 * depth)
            kit.block(middle, (half * inside, soft, 0.84 * depth), taper=(0.06, 0.06), where=cushions)
            upper = (place * inside, lift + seat + 0.55 * high, 0.62 * depth)
            kit.block(upper, (half * inside, 0.42 * high, soft), turn=("x", lean), where=cushions)
    long = kit.between(0.25, 0.45)
    kit.block((-0.62 * inside, lift + seat / 2, -depth - long), (0.38 * inside, seat / 2, long), where=chaise)
    _legs(kit, 0.9 * width, 0.85 * depth, 0.1, 0.03, feet)


def table(kit: Kit) -> None:
    """Build a rectangular or round top on four legs, a pedestal or two end panels; some have a shelf."""
    long = kit.chance(0.6)
    width, height = kit.between(0.45, 0.7) + 0.3 * long, kit.between(0.35, 0.8)
    depth = kit.between(0.35, 0.55)
    circular = kit.chance(0.3)
    four, pedestal, ends = kit.choice(0.6, 0.22, 0.18)
    thick = kit.between(0.02, 0.06)
    kit.block((0.0, height, 0.0), (width, thick, depth), where=~circular)
    kit.round((0.0, height, 0.0), (width, thick, kit.between(0.8, 1.0) * width), where=circular)
    inset = kit.between(0.78, 0.95) - 0.22 * circular
    leg = kit.between(0.02, 0.06)
    _legs(kit, inset * width, inset * depth, height, leg, four)
    kit.round((0.0, height / 2, 0.0), (kit.between(0.05, 0.1), height / 2, kit.between(0.05, 0.1)), where=pedestal)
    foot = kit.between(0.4, 0.65)
    kit.round((0.0, 0.04, 0.0), (foot * width, 0.04, foot * depth), taper=0.3, where=pedestal)
    kit.block((inset * width, height / 2, 0.0), (leg, height / 2, inset * depth), where=ends, pair=True)
    apron, shelf = kit.chance(0.5), kit.chance(0.3)
    under = (0.0, height - 0.09, 0.0)
    kit.block(under, (0.95 * inset * width, 0.07, 0.95 * inset * depth), where=apron & ~pedestal)
    low = (0.0, kit.between(0.2, 0.4) * height, 0.0)
    kit.block(low, (inset * width, 0.02, inset * depth), where=shelf & ~pedestal)
