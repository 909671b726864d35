"""How good traces are, measured on recordings: truth without annotation, errors, feasibility, and a report.

Plain arrays: no ROS, no bag. ``ik_controller.nodes.eval_bag`` reads bags and calls this.
"""
