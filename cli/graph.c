/* SPDX-License-Identifier: GPL-2.0-or-later */
/* choppy graph: draw the lab of a file, and make nothing. */
#include "graph.h"
#include "out.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int graph_run(struct call *c);
static const char *format_choice(unsigned int i);

struct graph_args {
	int format;
	bool ipv6;
};

static const struct opt graph_options[] = {
	{ .name = "format",
	  .letter = 'f',
	  .kind = OPT_CHOICE,
	  .offset = offsetof(struct graph_args, format),
	  .metavar = "text|svg|dot",
	  .choice = format_choice,
	  .help = "for a terminal (the default), for a browser, or for dot(1) of Graphviz" },
	{ .name = "ipv6",
	  .kind = OPT_FLAG,
	  .offset = offsetof(struct graph_args, ipv6),
	  .help = "show IPv6 addresses, and not IPv4" },
	{ 0 },
};

static const struct example graph_examples[] = {
	{ "choppy graph lab.yaml", "who is joined to whom, and what the links do" },
	{ "choppy graph lab.yaml --format svg > lab.svg", "a picture" },
	{ "choppy graph lab.yaml --format dot | dot -Tpdf > lab.pdf", "by Graphviz" },
	{ 0 },
};

const struct command cmd_graph = {
	.name = "graph",
	.usage = "FILE [OPTIONS]",
	.summary = "draw the lab of a file",
	.details =
		"Nodes and links with their conditions and addresses. Nothing is made: the "
		"addresses "
		"are those that the lab has where they are free. As text, a small lab is a picture "
		"and a list of its links; of a large one alike hosts are one line of the list. "
		"What "
		"is wrong in the file is told as by 'choppy check'.",
	.names = NAMES_FILES,
	.min_words = 1,
	.max_words = 1,
	.options = graph_options,
	.args_size = sizeof(struct graph_args),
	.examples = graph_examples,
	.run = graph_run,
};

static const struct {
	const char *name;
	bool (*draw)(const struct drawing *d, FILE *f);
} formats[] = {
	{ "text", graph_text },
	{ "svg", graph_svg },
	{ "dot", graph_dot },
};

static const char *format_choice(unsigned int i)
{
	return i < sizeof(formats) / sizeof(formats[0]) ? formats[i].name : NULL;
}

/* ------------------------------------------------------------------ drawing */

/* What @link asks for on the way from end @e, on one line; to be freed. */
static char *words_of(const struct choppy_file_link *link, enum choppy_dir e)
{
	int condition = link->dir ? choppy_condition_print(NULL, 0, &link->dir[e]) : 0;
	int rules = link->rules ? choppy_rules_print(NULL, 0, link->rules, e) : 0;
	int gap = condition && rules;
	char *words = calloc(1, (size_t)(condition + gap + rules) + 1);

	if (!words)
		return NULL;
	if (condition)
		choppy_condition_print(words, (size_t)condition + 1, &link->dir[e]);
	if (gap)
		words[condition] = ' ';
	if (rules)
		choppy_rules_print(words + condition + gap, (size_t)rules + 1, link->rules, e);
	for (char *p = words; *p; p++)
		if (isspace((unsigned char)*p))
			*p = ' ';
	opt_one_line(words);
	return words;
}

static bool add_link(struct drawing *d, uint32_t l)
{
	struct drawn_link *link = &d->links[l];

	for (int e = 0; e < 2; e++) {
		link->words[e] = words_of(&link->link, (enum choppy_dir)e);
		if (!link->words[e])
			return false;
	}
	link->same = strcmp(link->words[0], link->words[1]) == 0;
	return true;
}

static void find_ends(struct drawing *d)
{
	for (uint32_t i = 0; i < 2 * d->nlinks; i++)
		d->first[drawing_node(d, i / 2, i % 2) + 2]++;
	for (uint32_t i = 2; i < d->nnodes + 2; i++)
		d->first[i] += d->first[i - 1];
	for (uint32_t i = 0; i < 2 * d->nlinks; i++)
		d->at[d->first[drawing_node(d, i / 2, i % 2) + 1]++] = i;
}

static void add_outside(struct drawing *d, struct choppy_file_link uplink)
{
	snprintf(d->uplink, sizeof(d->uplink), "uplink %s", uplink.name);
	d->outside = d->nnodes++;
	d->nodes[d->outside] =
		(struct choppy_file_node){ .name = d->uplink, .kind = "uplink", .nlinks = 1 };
	uplink.end[1].node = d->outside;
	uplink.name = "uplink";
	d->links[d->nlinks++].link = uplink;
}

bool drawing_make(struct drawing *d, const struct choppy_file *f, bool ipv6)
{
	struct choppy_file_link uplink;

	*d = (struct drawing){ .name = choppy_file_name(f), .outside = NO_NODE, .ipv6 = ipv6 };
	choppy_file_size(f, &d->nnodes, &d->nlinks);
	d->nodes = calloc(d->nnodes + 1, sizeof(*d->nodes));
	d->links = calloc(d->nlinks + 1, sizeof(*d->links));
	d->first = calloc(d->nnodes + 3, sizeof(*d->first));
	d->at = calloc(d->nlinks + 1, 2 * sizeof(*d->at));
	if (!d->nodes || !d->links || !d->first || !d->at)
		return false;
	for (uint32_t i = 0; i < d->nnodes; i++)
		choppy_file_node(f, i, &d->nodes[i]);
	for (uint32_t l = 0; l < d->nlinks; l++)
		choppy_file_link(f, l, &d->links[l].link);
	if (choppy_file_uplink(f, &uplink))
		add_outside(d, uplink);
	for (uint32_t l = 0; l < d->nlinks; l++)
		if (!add_link(d, l))
			return false;
	find_ends(d);
	return true;
}

void drawing_free(struct drawing *d)
{
	for (uint32_t l = 0; d->links && l < d->nlinks; l++)
		for (int e = 0; e < 2; e++)
			free(d->links[l].words[e]);
	free(d->nodes);
	free(d->links);
	free(d->first);
	free(d->at);
}

uint32_t drawing_node(const struct drawing *d, uint32_t l, int e)
{
	return d->links[l].link.end[e].node;
}

const char *drawing_name(const struct drawing *d, uint32_t l, int e)
{
	return d->nodes[drawing_node(d, l, e)].name;
}

const char *drawing_address(const struct drawing *d, uint32_t l, int e)
{
	const struct choppy_file_end *end = &d->links[l].link.end[e];

	return (d->ipv6 && *end->addr6) || !*end->addr4 ? end->addr6 : end->addr4;
}

char *drawing_way(const struct drawing *d, uint32_t l, int e)
{
	const char *words = d->links[l].words[e];
	char *text;
	int n;

	if (drawing_node(d, l, 1) == d->outside)
		n = asprintf(&text, "%s: %s", e ? "down" : "up", words);
	else
		n = asprintf(&text, "%s>%s: %s", drawing_name(d, l, e), drawing_name(d, l, !e),
			     words);
	return n < 0 ? NULL : text;
}

char *drawing_words(const struct drawing *d, uint32_t l)
{
	const struct drawn_link *link = &d->links[l];
	char *way[2] = { NULL, NULL }, *text = NULL;

	if (link->same)
		return strdup(link->words[0]);
	for (int e = 0; e < 2; e++)
		way[e] = *link->words[e] ? drawing_way(d, l, e) : strdup("");
	if (way[0] && way[1] &&
	    asprintf(&text, "%s%s%s", way[0], *way[0] && *way[1] ? ", " : "", way[1]) < 0)
		text = NULL;
	free(way[0]);
	free(way[1]);
	return text;
}

struct choppy_spot *drawing_layout(const struct drawing *d, const struct choppy_size *sizes,
				   const struct choppy_graph *how, int ret_size[2])
{
	struct choppy_spot *spots = calloc(d->nnodes + 1, sizeof(*spots));
	uint32_t(*ends)[2] = calloc(d->nlinks + 1, sizeof(*ends));
	struct choppy_graph g = *how;
	int r = -1;

	g.nnodes = d->nnodes;
	g.nlinks = d->nlinks;
	g.sizes = sizes;
	g.ends = (const uint32_t(*)[2])ends;
	g.root = d->outside;
	for (uint32_t i = 0; ends && i < 2 * d->nlinks; i++)
		ends[i / 2][i % 2] = drawing_node(d, i / 2, i % 2);
	if (spots && ends)
		r = choppy_layout(spots, ret_size, &g);
	free(ends);
	if (r == 0)
		return spots;
	free(spots);
	return NULL;
}

static int graph_run(struct call *c)
{
	const struct graph_args *a = c->args;
	struct choppy_err err = { 0 };
	struct choppy_file *f;
	struct drawing d;
	bool drawn;

	if (choppy_file_read(&f, c->words[0], out_problem, c, &err) < 0)
		return out_failed(c, &err);
	drawn = drawing_make(&d, f, a->ipv6) && formats[a->format].draw(&d, c->out);
	drawing_free(&d);
	choppy_file_free(f);
	return drawn ? STATUS_OK : out_no_memory(c);
}
