"""Looking back: somebody who registers today is searched for in what was judged before. Decides nothing about a clip.

Templates of unmatched people are kept nowhere, so each clip of a window is decoded and read again, and compared with
this one person only. What is found goes through judgement once more, like any clip.
"""
