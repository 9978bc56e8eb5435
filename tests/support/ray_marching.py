"""A second renderer by brute force: rays march in tiny steps until they enter a solid (numpy, float64)."""

import math

import numpy as np

FIELD = 0.36
STEP = 4e-4


def inside(parts, which, points):
    """Whether points (Q, 3) in the object's frame are inside any of its solids: bool (P, Q)."""
    found = []
    for p, is_round in enumerate(parts.rounds):
        if not parts.present[which, p]:
            found.append(np.zeros(len(points), bool))
            continue
        axes, centre = parts.axes[which, p].numpy(), parts.centre[which, p].numpy()
        x, y, z = np.linalg.solve(axes, (points - centre).T)
        a, b, c = parts.shape[which, p].tolist()
        if is_round:
            side = x**2 + y**2 <= a + b * z + c * z**2
        else:
            side = np.ones(len(points), bool)
            for value, taper in ((x, a), (y, b)):
                end, start = (1 - taper, 1) if taper >= 0 else (1, 1 + taper)  # half widths at z = 1 and z = -1
                side &= np.abs(value) <= start + (end - start) * (z + 1) / 2
        found.append(side & (np.abs(z) <= 1))
    return np.array(found)


def march(scenes, found, scene, x, y):
    """(depth, slot or None) of what the ray along (x, y, 1) of a scene meets first; `found` has its objects' groups."""
    t = np.arange(0.05, 4.5, STEP)
    best, slot = scenes.layout.distance / (1 + scenes.layout.slope * y), None
    for group in found:
        for member in (group.scene == scene).nonzero()[:, 0].tolist():
            back = np.linalg.inv(float(group.size[member]) * group.to_camera[member].numpy())

            def local(depths, back=back, group=group, member=member):
                ray = np.outer(depths, [x, y, 1.0])
                return (ray - group.place[member].numpy()) @ back.T

            hit = inside(group.parts, member, local(t)).any(0)
            if not hit.any():
                continue
            far = t[hit.argmax()]
            near = far - STEP
            for _ in range(30):
                middle = (near + far) / 2
                if inside(group.parts, member, local(np.array([middle]))).any():
                    far = middle
                else:
                    near = middle
            if far < best:
                best, slot = far, int(group.slot[member])
    return best, slot


def pose_bin(rotation):
    """The bin of one rotation (3, 3), in words of angles."""
    x, y, z = rotation[:, 1]
    if math.degrees(math.acos(min(1.0, max(-1.0, z)))) < 22.5:
        return 0
    psi = math.degrees(math.atan2(x, y))
    if -45 <= psi < 45:
        return 3
    if 45 <= psi < 135:
        return 4
    return 2 if -135 <= psi < -45 else 1
