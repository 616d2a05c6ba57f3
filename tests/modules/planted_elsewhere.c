/* A library that a planted module needs, and that is nowhere the loader looks. */
void planted_elsewhere(void);
void planted_elsewhere(void)
{
}
