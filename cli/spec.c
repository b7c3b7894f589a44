/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "spec.h"
#include "out.h"

#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

const char *spec_backend_choice(unsigned int i)
{
	return i < CHOPPY_NBACKENDS ? choppy_backend_name((enum choppy_backend)i) : NULL;
}

const char *spec_uplink_choice(unsigned int i)
{
	return i < CHOPPY_NUPLINKS ? choppy_uplink_name((enum choppy_uplink)i) : NULL;
}

int spec_parse_seed(void *at, const char *value, struct opt_error *err)
{
	struct choppy_spec *spec = at;

	if (opt_u64(&spec->seed, value) < 0)
		return opt_fail(err,
				"--seed is a whole number, decimal or 0x..., below 2 to the 64th, "
				"not '%s'",
				value);
	spec->seed_given = true;
	return 0;
}

int spec_parse_name(void *at, const char *value, struct opt_error *err)
{
	struct choppy_spec *spec = at;
	struct choppy_err e = { 0 };

	if (choppy_name_check(value, &e) < 0)
		return opt_fail(err, "--name: %s", e.msg);
	strcpy(spec->name, value);
	return 0;
}

/* A port, 1 to 65535, of @len digits at @s; 0 when it is none. */
static uint16_t port(const char *s, size_t len)
{
	unsigned int n = 0;
	size_t i;

	if (len > 5)
		return 0;
	for (i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return 0;
		n = 10 * n + (unsigned int)(s[i] - '0');
	}
	return n <= UINT16_MAX ? (uint16_t)n : 0;
}

int spec_parse_publish(void *at, const char *value, struct opt_error *err)
{
	struct choppy_spec *spec = at;
	size_t host_len = strcspn(value, ":");
	const char *node = value + host_len + (value[host_len] == ':');
	size_t node_len = strcspn(node, "/");
	struct choppy_publish p;
	int i;

	if (node[node_len] && strcmp(node + node_len, "/tcp") != 0)
		return opt_fail(err, "--publish '%s': only TCP can be published: --publish %.*s",
				value, (int)(node - value + node_len), value);
	p.host_port = port(value, host_len);
	p.node_port = port(node, node_len);
	if (value[host_len] != ':' || !p.host_port || !p.node_port)
		return opt_fail(err,
				"--publish is HOSTPORT:PORT, two numbers from 1 to 65535 as in "
				"8080:80, not '%s'",
				value);
	for (i = 0; i < spec->npublish; i++)
		if (spec->publish[i].host_port == p.host_port)
			return opt_fail(err, "--publish: port %u of the host is published twice",
					p.host_port);
	if (spec->npublish == CHOPPY_MAX_PUBLISH)
		return opt_fail(err, "--publish: more than %d ports", CHOPPY_MAX_PUBLISH);
	spec->publish[spec->npublish++] = p;
	return 0;
}

/* Whether an argument behind @word is taken as it is: expressions and paths have spaces. */
static bool takes_any_text(const char *word)
{
	static const char *const words[] = { "match", "distribution", "trace" };
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (strcmp(word, words[i]) == 0)
			return true;
	return false;
}

int spec_split(const char ***ret, int *ret_n, int n, const char *const *words)
{
	size_t bytes = 0, most = 1;
	const char **list;
	int i, more, count = 0;
	char *text;

	for (i = 0; i < n; i++) {
		bytes += strlen(words[i]) + 1;
		most += strlen(words[i]) / 2 + 1;
	}
	list = malloc(most * sizeof(*list) + bytes);
	if (!list)
		return -ENOMEM;
	text = (char *)(list + most);
	for (i = 0; i < n; i++) {
		if (count && takes_any_text(list[count - 1])) {
			list[count++] = strcpy(text, words[i]);
		} else {
			more = choppy_words_split(text, list + count, words[i]);
			if (more < 0) {
				free(list);
				*ret_n = i;
				return more;
			}
			count += more;
		}
		text += strlen(words[i]) + 1;
	}
	list[count] = NULL;
	*ret = list;
	*ret_n = count;
	return 0;
}

int spec_condition(struct call *c, int n, const char *const *words, bool allow_clear,
		   struct choppy_change *change)
{
	struct choppy_err err = { 0 };
	const char **list;
	int count, r;

	r = spec_split(&list, &count, n, words);
	if (r == -EINVAL)
		return out_usage(c, "a quote is not closed: %s", words[count]);
	if (r < 0)
		return out_no_memory(c);
	r = allow_clear ? choppy_change_parse(change, count, list, true, &err)
			: choppy_condition_parse(change->dir, &change->rules, count, list, &err);
	free(list);
	return r < 0 ? out_refused(c, &err) : 0;
}

int spec_take_condition(struct call *c, int n, const char *const *words, struct choppy_spec *spec)
{
	struct choppy_change change = { 0 };
	int status;

	if (n == 0)
		return 0;
	status = spec_condition(c, n, words, false, &change);
	if (status)
		return status;
	memcpy(spec->dir, change.dir, sizeof(spec->dir));
	spec->rules = change.rules;
	return 0;
}

/* The condition as `choppy run` takes it; CONDITION where what was typed is none. */
static void condition_for_run(char *buf, size_t size, int n, const char *const *words)
{
	struct choppy_change change;
	const char **list = NULL;
	int count;

	if (n && spec_split(&list, &count, n, words) == 0 &&
	    choppy_change_parse(&change, count, list, false, NULL) == 0)
		out_shell_words(buf, size, count, list);
	else
		snprintf(buf, size, "CONDITION");
	free(list);
}

int spec_if_device(struct call *c, const char *name, int n, const char *const *words)
{
	char condition[2048], command[512] = "COMMAND";
	struct choppy_err err = { 0 };
	struct choppy_lab lab;
	int r;

	if (if_nametoindex(name) == 0)
		return 0;
	r = choppy_show(name, &lab, &err);
	if (r != -ENOENT && r != -EINVAL)
		return 0;
	condition_for_run(condition, sizeof(condition), n, words);
	if (c->ncommand)
		out_shell_words(command, sizeof(command), c->ncommand,
				(const char *const *)c->command);
	return out_usage(c,
			 "%s is a device of this machine itself; choppy never degrades the "
			 "machine; use: choppy run %s -- %s",
			 name, condition, command);
}

static int parse_time(uint64_t *ret_ns, const char *option, const char *value,
		      struct opt_error *err)
{
	const char *const words[] = { "delay", value };
	struct choppy_change change;

	if (choppy_change_parse(&change, 2, words, false, NULL) < 0)
		return opt_fail(err, "--%s is a time with its unit, such as 1ms, not '%s'", option,
				value);
	*ret_ns = change.dir[CHOPPY_UP].delay_ns;
	return 0;
}

int spec_parse_timeout(void *at, const char *value, struct opt_error *err)
{
	return parse_time(at, "timeout", value, err);
}

int spec_parse_lateness(void *at, const char *value, struct opt_error *err)
{
	return parse_time(&((struct choppy_spec *)at)->max_lateness_ns, "max-lateness", value, err);
}
