"""The control task: agents that act in Gymnasium environments, judged by the episodes that they play."""
