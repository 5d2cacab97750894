"""Pure numerics: a frame or arrays in, a record out. Every statistic has its one home here."""
