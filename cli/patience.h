/* SPDX-License-Identifier: GPL-2.0-or-later */
/* patience.h - look again and again, until time is up. */
#ifndef CHOPPY_CLI_PATIENCE_H
#define CHOPPY_CLI_PATIENCE_H

#include <stdbool.h>
#include <stdint.h>

/* When time is up that begins now, CLOCK_MONOTONIC. */
uint64_t patience_begin(uint64_t timeout_ns);
bool patience_over(uint64_t end_ns);
/* Until the next look. */
void patience_pause(void);

#endif
