"""Rendered scenes of 3-D objects: ten classes, four factors, exact class, rotation, mask and depth.

The world is that of Newell & Deng (CVPR 2020) and its rendering code: objects that float before a plane, z up.
Everything that is drawn at random is a hash of what it is for and the scene's number.
"""
