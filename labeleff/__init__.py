"""labeleff: how many labels is pretraining worth?"""

__version__ = "0.1.0"
