/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The links of a lab's file: between whom, and what each direction does to packets. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "compile.h"
#include "err.h"
#include "fields.h"
#include "labfile_read.h"
#include "util.h"

#define LINK_WORD " -- "

bool fit_links(struct reader *r)
{
	struct labfile *f = r->f;

	return fit(r, &f->conditions, &f->nconditions, f->t.nlinks, sizeof(*f->conditions));
}

/* -------------------------------------------------------------- conditions */

bool own_condition(struct reader *r, struct link_condition *c)
{
	struct labfile *f = r->f;
	void *p = realloc(f->owned, (f->nowned + 1) * sizeof(*f->owned));

	if (!p) {
		free(c);
		out_of_memory(r);
		return false;
	}
	f->owned = p;
	f->owned[f->nowned++] = c;
	return true;
}

/* Links of a file are the engine's: what only netem can do is nothing to them. */
static void check_fields(const struct link_condition *c, struct choppy_err *err)
{
	uint64_t set = c->dir[0].set | c->dir[1].set;

	for (uint32_t i = 0; i < c->rules.n; i++)
		set |= c->rules.rule[i].condition.set;
	set &= ~engine_backend.fields;
	if (set)
		err_set(err, -EOPNOTSUPP, "the links of a lab file cannot do %s",
			fields[__builtin_ctzll(set)].name);
}

/* What the words name: traces, distributions, expressions for packets. */
static void check_files(const struct link_condition *c, struct choppy_err *err)
{
	const struct compile_input in = { .dir = c->dir, .rules = &c->rules, .replay = "" };

	compile_plan(&in, NULL, NULL, err);
}

/* Words of a condition. @dirs: it may say up and down. NULL: a problem was told. */
static struct link_condition *parse_condition(struct reader *r, struct fy_node *value, bool dirs)
{
	const char *text = yaml_text(value);
	size_t len = strlen(text);
	CLEANUP_FREE char *buf = malloc(len + 1);
	CLEANUP_FREE const char **words = malloc((len / 2 + 1) * sizeof(*words));
	struct link_condition *c = calloc(1, sizeof(*c));
	struct choppy_err err = { 0 };
	int n;

	if (!buf || !words || !c) {
		out_of_memory(r);
		free(c);
		return NULL;
	}
	n = choppy_words_split(buf, words, text);
	if (n < 0)
		err_set(&err, n, "a quote is not closed");
	for (int i = 0; i < n && !dirs && !err.code; i++)
		if (strcmp(words[i], "up") == 0 || strcmp(words[i], "down") == 0)
			err_set(&err, -EINVAL,
				"'%s' is a direction of the uplink: between nodes write the key "
				"A>B for one direction",
				words[i]);
	if (!err.code)
		choppy_condition_parse(c->dir, &c->rules, n, words, &err);
	if (!err.code)
		check_fields(c, &err);
	if (!err.code)
		check_files(c, &err);
	if (!err.code)
		return c;
	problem_err(r, value, &err);
	free(c);
	return NULL;
}

const struct link_condition *read_condition(struct reader *r, struct fy_node *value, bool dirs)
{
	struct link_condition *c = parse_condition(r, value, dirs);

	return c && own_condition(r, c) ? c : NULL;
}

/* ------------------------------------------------------------------- links */

/* What is read of a link, or of a shape's links, before they are made. */
struct link_draft {
	const struct link_condition *condition; /* both ways */
	struct link_condition *way[2]; /* of one direction; NULL: as @condition says */
	char *name;
	char *end[2]; /* names or patterns, as written */
	struct inet addr[2][2]; /* by end and family */
};

static void draft_free(struct link_draft *d)
{
	for (int i = 0; i < 2; i++) {
		free(d->way[i]);
		free(d->end[i]);
	}
	free(d->name);
}

/* One condition out of what holds both ways and what holds one way. */
static const struct link_condition *combine(struct reader *r, const struct link_draft *d)
{
	struct link_condition *c;

	if (!d->way[0] && !d->way[1])
		return d->condition;
	c = calloc(1, sizeof(*c));
	if (!c) {
		out_of_memory(r);
		return NULL;
	}
	if (d->condition)
		*c = *d->condition;
	for (int i = 0; i < 2; i++) {
		const struct link_condition *w = d->way[i];

		if (!w)
			continue;
		choppy_condition_merge(&c->dir[i], &w->dir[i]);
		for (uint32_t k = 0; k < w->rules.n && c->rules.n < CHOPPY_RULES_MAX; k++) {
			struct choppy_rule *rule = &c->rules.rule[c->rules.n++];

			*rule = w->rules.rule[k];
			rule->dirs = CHOPPY_DIR_BIT(i);
		}
	}
	return own_condition(r, c) ? c : NULL;
}

static void take_name(struct reader *r, struct fy_node *value, void *obj)
{
	((struct link_draft *)obj)->name = copy_text(r, value);
}

static void take_both(struct reader *r, struct fy_node *value, void *obj)
{
	((struct link_draft *)obj)->condition = read_condition(r, value, false);
}

static void take_address(struct reader *r, struct fy_node *value, void *obj)
{
	struct inet *addr = obj, a;
	struct choppy_err err = { 0 };

	if (inet_parse(&a, yaml_text(value), &err) < 0)
		problem(r, value, "an address has its prefix length behind it: 10.0.0.1/24");
	else
		addr[a.family == AF_INET6] = a;
}

static const struct key address_item = ITEM(FORM_TEXT, take_address, "an address: 10.0.0.1/24");

static void take_addresses(struct reader *r, const char *name, struct fy_node *at,
			   struct fy_node *value, void *obj)
{
	struct link_draft *d = obj;
	int end = 0;

	while (end < 2 && strcmp(name, d->end[end]) != 0)
		end++;
	if (end == 2)
		problem(r, at, "this link is between %s and %s", d->end[0], d->end[1]);
	else
		read_list(r, value, &address_item, d->addr[end]);
}

static const struct key addr_each = NAMED("NODE", FORM_TEXT | FORM_LIST, take_addresses,
					  "an address, or a list of them: 10.0.0.1/24",
					  .item = &address_item);

/* addr: {A: 10.0.0.1/24, B: [10.0.0.2/24, fd00::2/64]} */
static void take_addr(struct reader *r, struct fy_node *value, void *obj)
{
	read_map(r, value, NULL, obj, &addr_each);
}

static const struct key link_keys[] = {
	KEY("name", FORM_TEXT, take_name, "a name", .help = "of the link; A-B unless told"),
	KEY("condition", FORM_TEXT | FORM_NULL, take_both, "the words of a condition",
	    .text = TEXT_CONDITION, .help = "what the link does to packets, each way"),
	KEY("addr", FORM_MAP, take_addr, "addresses: {A: 10.0.0.1/24}", .each = &addr_each,
	    .help = "of its ends, in place of those that come by themselves"),
	{ 0 },
};

/* "A>B", with or without spaces. */
static void take_direction(struct reader *r, const char *key, struct fy_node *at,
			   struct fy_node *value, void *obj)
{
	struct link_draft *d = obj;
	const char *arrow = strchr(key, '>'), *to = arrow + 1;
	int len;

	for (len = (int)(arrow - key); len > 0 && key[len - 1] == ' '; len--)
		;
	to += strspn(to, " ");
	for (int i = 0; i < 2; i++) {
		if ((int)strlen(d->end[i]) != len || strncmp(key, d->end[i], (size_t)len) != 0 ||
		    strcmp(to, d->end[!i]) != 0)
			continue;
		if (!d->way[i])
			d->way[i] = parse_condition(r, value, false);
		return;
	}
	problem(r, at, "the directions of this link are '%s>%s' and '%s>%s'", d->end[0], d->end[1],
		d->end[1], d->end[0]);
}

static const struct key direction_each = NAMED(
	"A>B", FORM_TEXT | FORM_NULL, take_direction, "the words of a condition",
	.text = TEXT_CONDITION, .having = ">", .help = "what else it does on the way from A to B");

static void join_all(struct reader *r, struct fy_node *at, const struct node_list ends[2],
		     struct link_draft *d)
{
	struct topology *t = &r->f->t;
	const struct link_condition *c = combine(r, d);
	uint32_t first = t->nlinks, link = 0;
	struct choppy_err err = { 0 };
	bool many = ends[0].n * ends[1].n != 1;
	int e = 0;

	if (many && (d->name || d->addr[0][0].family || d->addr[0][1].family ||
		     d->addr[1][0].family || d->addr[1][1].family)) {
		problem(r, at, "a name and addresses are of one link, and these are %u",
			ends[0].n * ends[1].n);
		return;
	}
	for (uint32_t i = 0; e == 0 && i < ends[0].n; i++)
		for (uint32_t k = 0; e == 0 && k < ends[1].n; k++)
			e = topology_add_link(t, d->name, ends[0].v[i], ends[1].v[k], &link, &err);
	if (e < 0) {
		problem_err(r, at, &err);
		return;
	}
	if (!fit_links(r))
		return;
	for (uint32_t i = first; i < t->nlinks; i++)
		r->f->conditions[i] = c;
	for (int i = 0; i < 2 && !many; i++)
		memcpy(t->ports[2 * link + (uint32_t)i].given, d->addr[i], sizeof(d->addr[i]));
}

/* One of `links`: "A -- B", and what is said of it. */
static void take_link(struct reader *r, const char *text, struct fy_node *at, struct fy_node *value,
		      void *obj)
{
	const char *mark = strstr(text, LINK_WORD);
	struct link_draft d = { 0 };
	struct node_list ends[2] = { 0 };
	int before = r->problems->n;

	if (!mark) {
		problem(r, at, "a link is written as 'A -- B'");
		return;
	}
	d.end[0] = strndup(text, (size_t)(mark - text));
	d.end[1] = strdup(mark + strlen(LINK_WORD));
	if (!d.end[0] || !d.end[1])
		out_of_memory(r);
	for (int i = 0; i < 2 && !r->failed; i++)
		read_pattern(r, at, d.end[i], -1, &ends[i]);
	if (!r->failed && form_of(value) == FORM_MAP)
		read_map(r, value, link_keys, &d, &direction_each);
	else if (!r->failed && form_of(value) == FORM_TEXT)
		d.condition = read_condition(r, value, false);
	if (r->problems->n == before && !r->failed)
		join_all(r, at, ends, &d);
	node_list_free(&ends[0]);
	node_list_free(&ends[1]);
	draft_free(&d);
}

const struct key link_each = NAMED("A -- B", FORM_NULL | FORM_TEXT | FORM_MAP, take_link,
				   "a condition, or {condition: ..., name: ...}",
				   .text = TEXT_CONDITION, .having = LINK_WORD, .keys = link_keys,
				   .each = &direction_each);

static void take_item(struct reader *r, struct fy_node *value, void *obj)
{
	if (form_of(value) == FORM_MAP)
		read_map(r, value, NULL, obj, &link_each);
	else
		take_link(r, yaml_text(value), value, NULL, obj);
}

const struct key link_item = ITEM(FORM_TEXT | FORM_MAP, take_item, "a link: 'A -- B'",
				  .having = LINK_WORD, .each = &link_each);

void take_links(struct reader *r, struct fy_node *value, void *obj)
{
	if (form_of(value) == FORM_MAP)
		read_map(r, value, NULL, obj, &link_each);
	else
		read_list(r, value, &link_item, obj);
}
