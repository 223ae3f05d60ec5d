/* The table of data formats: the built-in ones of reader_list.h, then those that a program registers. */
#include <string.h>

#include "data/reader.h"

/* The built-in ones are counted by an enumeration of their own. */
#define LS_READER(name) BUILT_IN_##name,
enum {
#include "data/reader_list.h"
    N_BUILT_IN
};
#undef LS_READER

#define LS_READER(name) &ls__reader_##name,
const ls_reader_ops *ls__readers[N_BUILT_IN + LS_MAX_MORE_READERS + 1] = {
#include "data/reader_list.h"
};
#undef LS_READER

#define LS_READER(name) #name,
const char *ls__reader_names[N_BUILT_IN + LS_MAX_MORE_READERS + 1] = {
#include "data/reader_list.h"
};
#undef LS_READER

ls_status ls_reader_register(const ls_reader_ops *reader)
{
    LS_REQUIRE(reader != NULL && reader->name != NULL && reader->name[0] != 0, LS_EUSAGE, "a data format has no name");
    LS_REQUIRE(reader->open != NULL && reader->load != NULL, LS_EUSAGE, "the data format '%s' lacks open or load",
               reader->name);
    int n = 0;
    for (; ls__readers[n] != NULL; n++)
        LS_REQUIRE(strcmp(ls__reader_names[n], reader->name) != 0, LS_EUSAGE, "there is a data format '%s' already",
                   reader->name);
    LS_REQUIRE(n < N_BUILT_IN + LS_MAX_MORE_READERS, LS_EUSAGE,
               "no room for the data format '%s': at most %d are added", reader->name, LS_MAX_MORE_READERS);
    ls__readers[n] = reader;
    ls__reader_names[n] = reader->name;
    return LS_OK;
}
