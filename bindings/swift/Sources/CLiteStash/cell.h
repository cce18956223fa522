/* A number that threads share: the handle of a stash, which suspending exchanges. */
#ifndef LITESTASH_CELL_H
#define LITESTASH_CELL_H

#include <stdint.h>

static inline uint64_t litestash_cell_load(const uint64_t *_Nonnull cell)
{
  return __atomic_load_n(cell, __ATOMIC_ACQUIRE);
}

static inline void litestash_cell_store(uint64_t *_Nonnull cell, uint64_t number)
{
  __atomic_store_n(cell, number, __ATOMIC_RELEASE);
}

#endif
