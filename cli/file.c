/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "file.h"
#include "out.h"

#include <stdio.h>
#include <unistd.h>

int file_read_for(struct call *c, const char *path, const char *name, struct choppy_file **ret)
{
	struct choppy_err err = { 0 };
	struct choppy_file *f;

	if (choppy_file_read(&f, path, out_problem, c, &err) < 0)
		return out_refused(c, &err);
	if (*name && choppy_file_rename(f, name, &err) < 0) {
		choppy_file_free(f);
		return out_refused(c, &err);
	}
	*ret = f;
	return 0;
}

static void print_log(struct call *c, const char *name)
{
	int fd = choppy_log_open(name, NULL);
	char buf[4096];
	ssize_t n;

	if (fd < 0)
		return;
	fprintf(c->err, "---- %s\n", name);
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		fwrite(buf, 1, (size_t)n, c->err);
	close(fd);
}

void file_print_logs(struct call *c, const struct choppy_file *f, const char *lab)
{
	char name[CHOPPY_NAME_MAX + CHOPPY_NODE_NAME_MAX + 2];
	struct choppy_file_node node;
	uint32_t n, links;

	choppy_file_size(f, &n, &links);
	for (uint32_t i = 0; i < n; i++) {
		choppy_file_node(f, i, &node);
		snprintf(name, sizeof(name), "%s/%s", lab, node.name);
		if (node.runs)
			print_log(c, name);
	}
}
