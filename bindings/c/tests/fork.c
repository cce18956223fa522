/* A child that was forked hears that it was, and opens the stash anew. What it had from its parent it cannot give back,
 * so this is not for the checker of leaks. */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include <sys/wait.h>
#include <unistd.h>

static void in_the_child(litestash_stash stash, const char *directory)
{
  litestash_stash own;
  litestash_buffer buffer;
  litestash_iterator iterator;
  GIVES(LITESTASH_FORKED, litestash_get(stash, litestash_key_string("kept"), &buffer));
  WORKS(litestash_close(stash));
  GIVES(LITESTASH_CLOSED, litestash_check(stash));
  WORKS(litestash_open(directory, NULL, &own));
  CHECK(has(own, "kept", "1"));
  WORKS(litestash_keys(own, NULL, &iterator));
  WORKS(litestash_iterator_free(iterator));
  WORKS(litestash_close(own));
}

int main(int argc, char **argv)
{
  litestash_stash stash;
  pid_t child;
  int status;
  CHECK(argc == 2);
  WORKS(litestash_open(argv[1], NULL, &stash));
  set(stash, "kept", "1");
  child = fork();
  CHECK(child >= 0);
  if (child == 0) {
    in_the_child(stash, argv[1]);
    _exit(0);
  }
  CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
  CHECK(has(stash, "kept", "1"));
  WORKS(litestash_close(stash));
  return 0;
}
