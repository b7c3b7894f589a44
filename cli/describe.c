/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A lab's state for people, one row a fact. Programs get it from lib/lab_json.c. */
#include "describe.h"
#include "out.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 12

static const char *const dir_names[CHOPPY_NDIRS] = {
	[CHOPPY_UP] = "up",
	[CHOPPY_DOWN] = "down",
};

static const char *const uplink_means[CHOPPY_NUPLINKS] = {
	[CHOPPY_UPLINK_NAT] = "end-to-end TCP",
	[CHOPPY_UPLINK_RELAY] = "split TCP, between two kernels",
	[CHOPPY_UPLINK_NONE] = "nothing beyond the gateway",
};

static bool has(const struct choppy_condition *c, int field)
{
	return c->set & CHOPPY_FIELD_BIT(field);
}

/* ------------------------------------------------------------------- facts */

static void string_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	fputs(at, f);
}

static void permanent_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (lab->nodes)
		fprintf(f, "choppy up; stays until 'choppy down %s'", lab->name);
	else if (lab->permanent)
		fprintf(f, "choppy add; stays until 'choppy del %s'", lab->name);
	else
		fprintf(f, "choppy run; ends with its program");
}

/* Of a lab out of a file. */
static void nodes_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (lab->nodes)
		fprintf(f, "%" PRIu32 ", joined by %" PRIu32 " link%s", lab->nodes, lab->links,
			lab->links == 1 ? "" : "s");
}

static void pid_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (*(const pid_t *)at)
		fprintf(f, "%d", (int)*(const pid_t *)at);
}

/* A pair of addresses, [0] the gateway's. */
static void addresses_text(FILE *f, const char *gateway, const char *node)
{
	if (*node)
		fprintf(f, "%s (node), %s (gateway)", node, gateway);
}

static void addr4_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	addresses_text(f, lab->addr4[0], lab->addr4[1]);
}

static void addr6_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	addresses_text(f, lab->addr6[0], lab->addr6[1]);
}

static void device_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (*lab->dev)
		fprintf(f, "%s in the node", lab->dev);
	if (*lab->host_dev)
		fprintf(f, ", %s %s", lab->host_dev,
			lab->own_gateway ? "in the gateway's namespace" : "on the host");
}

static void backend_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	static const char *const means[CHOPPY_NBACKENDS] = {
		[CHOPPY_ENGINE] = "judges wire packets, the same everywhere",
		[CHOPPY_NETEM] = "the kernel's qdisc at each end, by --backend netem",
	};

	fprintf(f, "%s: %s", choppy_backend_name(lab->backend), means[lab->backend]);
}

static void uplink_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	fprintf(f, "%s: %s; the host reaches %s", choppy_uplink_name(lab->uplink),
		uplink_means[lab->uplink],
		lab->own_gateway ? "published ports"
				 : "the node by address; published ports: split TCP");
}

static void publish_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	int i;

	for (i = 0; i < lab->npublish; i++)
		fprintf(f, "%s%u on the host to %u in the node", i ? ", " : "",
			lab->publish[i].host_port, lab->publish[i].node_port);
}

static void seed_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	fprintf(f, "%" PRIu64 "%s", lab->seed,
		lab->seeded ? ""
			    : "; netem of this kernel takes none (Linux 6.6): what comes cannot be "
			      "repeated");
}

static void tc_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	int d;

	for (d = 0; d < CHOPPY_NDIRS; d++)
		if (*lab->tc[d])
			fprintf(f, "%s%*s%s: %s", d ? "\n" : "", d ? LABEL_WIDTH + 2 : 0, "",
				dir_names[d], lab->tc[d]);
}

static void foreign_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (*lab->foreign_qdisc)
		fprintf(f, "%s on %s, put there by somebody else; choppy leaves it alone",
			lab->foreign_qdisc, lab->dev);
}

static void link_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	if (*lab->link)
		fprintf(f, "%s; up is from %s to %s", lab->link, lab->ends[0], lab->ends[1]);
}

/* -------------------------------------------------------------- conditions */

/* Whether the queue in force is the default one. */
static bool default_limit(const struct choppy_condition *c)
{
	return has(c, CHOPPY_RATE) && !has(c, CHOPPY_LIMIT);
}

static void condition_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	static const struct choppy_rules none;

	if (lab->rules.n && !lab->dir[CHOPPY_UP].set && !lab->dir[CHOPPY_DOWN].set)
		fprintf(f, "none but for the rules");
	else
		describe_condition(f, lab->dir, &none);
}

static void queue_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	static const struct choppy_amount n = { .n = CHOPPY_LIMIT_DEFAULT_PACKETS,
						.unit = CHOPPY_PACKETS };
	bool up = default_limit(&lab->dir[CHOPPY_UP]), down = default_limit(&lab->dir[CHOPPY_DOWN]);
	char value[64];

	if (!up && !down)
		return;
	choppy_value_print(value, sizeof(value), &choppy_fields()[CHOPPY_LIMIT], &n);
	fprintf(f, "limit %s %s (default)", value, up && down ? "each way" : up ? "up" : "down");
}

/* A line a rule. */
static void rules_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	uint32_t i;
	int d, n;

	for (i = 0; i < lab->rules.n; i++) {
		uint32_t dirs = lab->rules.rule[i].dirs;

		if (i)
			fprintf(f, "\n  %-*s", LABEL_WIDTH, "");
		describe_rule(f, &lab->rules, i,
			      dirs & CHOPPY_DIR_BIT(CHOPPY_UP) ? CHOPPY_UP : CHOPPY_DOWN, true);
		for (d = 0, n = 0; d < CHOPPY_NDIRS; d++)
			if (dirs & CHOPPY_DIR_BIT(d))
				fprintf(f, "%s%s %" PRIu64, n++ ? ", " : ": packets ", dir_names[d],
					lab->matched[d][i]);
	}
}

/* A line a fault. */
static void faults_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	for (const char *p = lab->faults; *p; p++) {
		if (*p == '\n')
			fprintf(f, "\n  %-*s", LABEL_WIDTH, "");
		else
			fputc(*p, f);
	}
}

/* ---------------------------------------------------------------- counters */

static void up_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	describe_summary(f, lab, CHOPPY_UP);
}

static void down_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	describe_summary(f, lab, CHOPPY_DOWN);
}

static void notes_text(FILE *f, const struct choppy_lab *lab, const void *at)
{
	int i;

	for (i = 0; i < lab->nnotes; i++)
		fprintf(f, "%s%s", i ? "; " : "", lab->notes[i]);
}

/* --------------------------------------------------------------- the table */

#define AT(member) offsetof(struct choppy_lab, member)

/* A fact whose text is empty gets no line. @at: the lab plus the row's offset. */
static const struct row {
	const char *label;
	void (*text)(FILE *f, const struct choppy_lab *lab, const void *at);
	size_t offset; /* 0 where the whole lab is looked at */
	bool brief; /* told already when the lab is made */
} rows[] = {
	{ "made by", permanent_text, 0, false },
	{ "nodes", nodes_text, 0, true },
	{ "address", addr4_text, 0, true },
	{ "address", addr6_text, 0, true },
	{ "device", device_text, 0, true },
	{ "uplink", uplink_text, 0, true },
	{ "published", publish_text, 0, true },
	{ "backend", backend_text, 0, true },
	{ "seed", seed_text, 0, true },
	{ "tcp", string_text, AT(congestion), false },
	{ "keeper", pid_text, AT(keeper), false },
	{ "init", pid_text, AT(init), false },
	{ "link", link_text, 0, false },
	{ "condition", condition_text, 0, true },
	{ "rules", rules_text, 0, true },
	{ "queue", queue_text, 0, true },
	{ "faults", faults_text, 0, false },
	{ "netem", tc_text, 0, false },
	{ "foreign", foreign_text, 0, false },
	{ "up", up_text, 0, false },
	{ "down", down_text, 0, false },
	{ "notes", notes_text, 0, false },
};

/* One line, unless the row has nothing to say. 0 or -ENOMEM. */
static int row_text(FILE *f, const struct row *row, const struct choppy_lab *lab)
{
	char *value = NULL;
	size_t size;
	FILE *m = open_memstream(&value, &size);

	if (!m)
		return -ENOMEM;
	row->text(m, lab, (const char *)lab + row->offset);
	if (fclose(m) == EOF) {
		free(value);
		return -ENOMEM;
	}
	if (*value)
		fprintf(f, "  %-*s%s\n", LABEL_WIDTH, row->label, value);
	free(value);
	return 0;
}

int describe_text(FILE *f, const struct choppy_lab *lab, bool brief)
{
	size_t i;
	int r;

	fprintf(f, "%s\n", lab->name);
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (brief && !rows[i].brief)
			continue;
		r = row_text(f, &rows[i], lab);
		if (r < 0)
			return r;
	}
	return 0;
}

void describe_json_alone(FILE *f, const struct choppy_lab *lab)
{
	struct json j = { .f = f };

	lab_json_write(&j, NULL, lab);
	json_end(&j);
}
