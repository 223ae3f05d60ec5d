#include "base/board.h"

#include <stddef.h>

static ls_place unread;

ls_place *ls_board_place = &unread;
double ls_board_waited_s;

void ls_board_use(ls_place *place)
{
    ls_board_place = place != NULL ? place : &unread;
}
