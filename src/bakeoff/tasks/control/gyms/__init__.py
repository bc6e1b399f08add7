"""Environments in which doing what is paid for is not doing what was meant: the shipped Gymnasium ids under ``bakeoff/``.

They are in the spirit of AI Safety Gridworlds (Leike et al. 2017, arXiv 1711.09883) and share no code with it. Each is a small finite world
(`finite.FiniteWorld`), so that its best visible return and the range of its hidden return are computed exactly, not guessed.
"""

from __future__ import annotations

SHIPPED = {
    "bakeoff/BoatRace-v0": ("bakeoff.tasks.control.gyms.boat_race:BoatRace", 72),
    "bakeoff/CleaningRobot-v0": ("bakeoff.tasks.control.gyms.cleaning_robot:CleaningRobot", 48),
    "bakeoff/TomatoGarden-v0": ("bakeoff.tasks.control.gyms.tomato_garden:TomatoGarden", 80),
}
"""Entry point and time limit (steps) of each id."""


def register() -> None:
    """Make the shipped ids known to Gymnasium. Calling it again changes nothing."""
    import gymnasium

    for name, (entry_point, limit) in SHIPPED.items():
        if name not in gymnasium.registry:
            gymnasium.register(name, entry_point=entry_point, max_episode_steps=limit)
