/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cmd.h - what a command is: one row of one table, from which the command line
 * is parsed, checked and explained.
 */
#ifndef CHOPPY_CLI_CMD_H
#define CHOPPY_CLI_CMD_H

#include "choppy.h"
#include "opt.h"

#include <stdio.h>

enum { STATUS_OK = 0, STATUS_FAILED = 1 };

/* Whether and how a program's command line follows. */
enum cmd_tail {
	TAIL_NONE,
	TAIL_AFTER_DASHES, /* only after `--` */
	TAIL_AFTER_NAME, /* after NAME and the options; `--` may stand before it */
};

/* What the words before a condition name, for completion. */
enum cmd_names {
	NAMES_OTHER, /* nothing that is known beforehand */
	NAMES_LABS,
	NAMES_PROFILES,
	NAMES_COMMANDS,
	NAMES_FILES,
	NAMES_NKINDS,
};

struct example {
	const char *line; /* NULL ends a list */
	const char *what;
};

struct call;

struct command {
	const char *name;
	const char *usage; /* what follows "choppy NAME " */
	const char *summary; /* one line, no full stop */
	const char *details; /* paragraphs, or NULL */
	bool condition, clear; /* takes condition words; `clear` is one of them */
	enum cmd_tail tail;
	enum cmd_names names;
	int min_words, max_words; /* OPT_ANYWHERE: any number; before the tail */
	const struct opt *options;
	const void *args; /* what the options start from, args_size bytes; NULL: zeros */
	size_t args_size;
	const struct example *examples;
	int (*run)(struct call *c); /* returns the exit status */
};

/* One command line, taken apart by the command's tables. */
struct call {
	const struct command *cmd; /* NULL before it is known */
	FILE *out, *err;
	void *args; /* the command's own struct, filled from the options */
	const char *const *words;
	int nwords;
	char **command; /* the program and its arguments, NULL after the last */
	int ncommand;
	bool dashes; /* `--` was there */
	char **argv; /* everything after the command's name */
};

extern const struct opt cmd_global_options[];

extern const struct command cmd_run, cmd_add, cmd_del, cmd_ls, cmd_show, cmd_exec, cmd_sh, cmd_set,
	cmd_doctor, cmd_gc, cmd_help, cmd_profiles, cmd_complete, cmd_check, cmd_up, cmd_down,
	cmd_logs, cmd_wait, cmd_test, cmd_timeline, cmd_graph, cmd_schema;

/* The table: row @i, NULL after the last. */
const struct command *cmd_row(unsigned int i);
const struct command *cmd_find(const char *name);

/* Say that there is no command @name, with the nearest. Returns CHOPPY_EXIT_USAGE. */
int cmd_unknown(struct call *c, int argc, char **argv);

/* Run the command line @argv; returns the exit status. Nothing is flushed. */
int cmd_main(int argc, char **argv, FILE *out, FILE *err);

/* Write help for @cmd, or, when NULL, for choppy as a whole. */
void help_print(FILE *f, const struct command *cmd);

#endif
