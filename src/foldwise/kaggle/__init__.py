"""From a finished output folder to the Kaggle leaderboard and back.

`download` fetches a competition, `bundle` packs what its notebook needs, `rehearse` runs that
notebook as Kaggle would, `push` uploads it, `submit` fetches the score. `notebook`, `process`,
`worker`, `timeguard`, `partial` and `contents` run there; the rest runs here.
"""
