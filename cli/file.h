/* SPDX-License-Identifier: GPL-2.0-or-later */
/* file.h - lab files, for the commands that make labs of them. */
#ifndef CHOPPY_CLI_FILE_H
#define CHOPPY_CLI_FILE_H

#include "cmd.h"

/* Read it, and call the lab @name unless that is "". 0, or the exit status: said. */
int file_read_for(struct call *c, const char *path, const char *name, struct choppy_file **ret);

/* What the commands of all its nodes have written in lab @lab, on the error stream. */
void file_print_logs(struct call *c, const struct choppy_file *f, const char *lab);

#endif
