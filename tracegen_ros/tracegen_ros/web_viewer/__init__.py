"""The browser viewer's core: what it draws, who may look, and the page itself. It knows no ROS; its node does.

``page`` and ``guarded_server`` need the package ``viser``, the rest numpy and OpenCV only (``robot_surfaces`` also
``trimesh``, which viser brings).
"""
