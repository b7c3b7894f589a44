/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of commands, and the way from a command line to a command's
 * function.
 */
#include "cmd.h"
#include "act.h"
#include "out.h"

#include <stdlib.h>
#include <string.h>

static const struct command *const table[] = {
	&cmd_run,
	&cmd_add,
	&cmd_set,
	&cmd_exec,
	&cmd_sh,
	&cmd_show,
	&cmd_ls,
	&cmd_del,
	&cmd_check,
	&cmd_graph,
	&cmd_schema,
	&cmd_up,
	&cmd_down,
	&cmd_logs,
	&cmd_wait,
	&cmd_test,
	&cmd_timeline,
	&act_commands[ACT_CUT],
	&act_commands[ACT_PARTITION],
	&act_commands[ACT_HEAL],
	&act_commands[ACT_LINK],
	&act_commands[ACT_PAUSE],
	&act_commands[ACT_RESUME],
	&act_commands[ACT_KILL],
	&act_commands[ACT_START],
	&act_commands[ACT_RESTART],
	&act_commands[ACT_MARK],
	&cmd_profiles,
	&cmd_doctor,
	&cmd_gc,
	&cmd_complete,
	&cmd_help,
};

struct global_args {
	bool version;
};

const struct opt cmd_global_options[] = {
	{ .name = "version",
	  .letter = 'V',
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct global_args, version),
	  .help = "print the version and exit" },
	{ 0 },
};

const struct command *cmd_row(unsigned int i)
{
	return i < sizeof(table) / sizeof(table[0]) ? table[i] : NULL;
}

const struct command *cmd_find(const char *name)
{
	const struct command *c;
	unsigned int i;

	for (i = 0; (c = cmd_row(i)); i++)
		if (strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

static const char *command_name(const void *ctx, unsigned int i)
{
	const struct command *c = cmd_row(i);

	return c ? c->name : NULL;
}

/* Whether @word may be the first of a condition: then "choppy run" was forgotten. */
static bool opens_condition(const char *word)
{
	static const char *const others[] = { "match", "up", "down", "--" };
	const struct choppy_field_row *f = choppy_fields();
	const struct choppy_profile *profile;
	size_t i;

	for (i = 0; i < CHOPPY_NFIELDS; i++)
		if (f[i].place == CHOPPY_PLACE_CLAUSE && strcmp(f[i].word, word) == 0)
			return true;
	for (profile = choppy_profiles(); profile->name; profile++)
		if (strcmp(profile->name, word) == 0)
			return true;
	for (i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(others[i], word) == 0)
			return true;
	return false;
}

int cmd_unknown(struct call *c, int argc, char **argv)
{
	const char *near = opt_near(argv[0], command_name, NULL);
	char line[512];

	if (opens_condition(argv[0])) {
		out_shell_words(line, sizeof(line), argc, (const char *const *)argv);
		return out_usage(c, "a command is missing; did you mean: choppy run %s", line);
	}
	if (near)
		return out_usage(c, "there is no command '%s'; did you mean '%s'?", argv[0], near);
	return out_usage(c, "there is no command '%s'; 'choppy help' lists them", argv[0]);
}

/* Where option parsing has to stop. */
static int stop_after(const struct command *cmd, int argc, char **argv)
{
	int i;

	if (cmd->tail == TAIL_NONE)
		return OPT_ANYWHERE;
	if (cmd->tail == TAIL_AFTER_NAME)
		return cmd->min_words;
	for (i = 0; i < argc; i++)
		if (strcmp(argv[i], "--") == 0)
			return OPT_ANYWHERE;
	/* no `--`: what looks like an option may be the program's; the command says what is wrong
	 */
	return 0;
}

static int check_words(struct call *c, struct opt_words *w)
{
	const struct command *cmd = c->cmd;

	if (cmd->tail == TAIL_NONE && w->dashes && w->nrest)
		return out_usage(c, "takes no program after '--': choppy %s %s", cmd->name,
				 cmd->usage);
	if (w->nwords < cmd->min_words)
		return out_usage(c, "something is missing: choppy %s %s", cmd->name, cmd->usage);
	if (cmd->max_words != OPT_ANYWHERE && w->nwords > cmd->max_words)
		return out_usage(c, "one word too many, '%s': choppy %s%s%s",
				 w->words[cmd->max_words], cmd->name, *cmd->usage ? " " : "",
				 cmd->usage);
	return 0;
}

/* Parse by @cmd's table and call its function. */
static int call_command(struct call *c, int argc, char **argv)
{
	const struct command *cmd = c->cmd;
	struct opt_words w = { 0 };
	struct opt_error e;
	int r;

	if (cmd->args)
		memcpy(c->args, cmd->args, cmd->args_size);
	w.words = calloc((size_t)argc + 1, sizeof(*w.words));
	if (!w.words)
		return out_no_memory(c);
	r = opt_parse(cmd->options, c->args, stop_after(cmd, argc, argv), argc, argv, &w, &e);
	if (r == OPT_HELP) {
		help_print(c->out, cmd);
		r = STATUS_OK;
	} else if (r < 0) {
		r = out_usage(c, "%s", e.text);
	} else {
		r = check_words(c, &w);
		c->words = (const char *const *)w.words;
		c->nwords = w.nwords;
		c->command = w.rest;
		c->ncommand = w.nrest;
		c->dashes = w.dashes;
		c->argv = argv;
		if (!r)
			r = cmd->run(c);
	}
	free(w.words);
	return r;
}

/* What stands before the command: --help, --version. Returns a status, or -1 to go on. */
static int global_options(struct call *c, int argc, char **argv)
{
	struct global_args g = { 0 };
	const char *words[1];
	struct opt_words w = { .words = words };
	struct opt_error e;
	int n = 0, r;

	while (n < argc && opt_is_option(argv[n]) && strcmp(argv[n], "--") != 0)
		n++;
	r = opt_parse(cmd_global_options, &g, 0, n, argv, &w, &e);
	if (r < 0)
		return out_usage(c, "%s", e.text);
	if (r == OPT_HELP || argc == 0)
		help_print(c->out, NULL);
	else if (g.version)
		fprintf(c->out, "choppy %s\n", CHOPPY_VERSION);
	else
		return -1;
	return STATUS_OK;
}

int cmd_main(int argc, char **argv, FILE *out, FILE *err)
{
	struct call c = { .out = out, .err = err };
	int r;

	argc -= argc > 0;
	argv++;
	r = global_options(&c, argc, argv);
	if (r >= 0)
		return r;
	c.cmd = cmd_find(argv[0]);
	if (!c.cmd)
		return cmd_unknown(&c, argc, argv);
	c.args = calloc(1, c.cmd->args_size + 1);
	if (!c.args)
		return out_no_memory(&c);
	r = call_command(&c, argc - 1, argv + 1);
	free(c.args);
	return r;
}
