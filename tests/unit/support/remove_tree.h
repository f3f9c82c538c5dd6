#ifndef TESTS_UNIT_SUPPORT_REMOVE_TREE_H
#define TESTS_UNIT_SUPPORT_REMOVE_TREE_H

/* Removes a directory and all in it, as far as it is there. Follows no links. */
void remove_tree(const char *path);

#endif
