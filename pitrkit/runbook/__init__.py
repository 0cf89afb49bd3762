"""What the cells of the notebooks call: a room for each group of notebooks, a module for each notebook.

| notebook | room | open first |
|---|---|---|
| `00_start_here`, `01_select_table` | `start` | `start_here`, `select_table` |
| `02_pick_timestamp` | `timeline` | `pick_timestamp` |
| `03_restore` | `restore` | `restore` |
| `04_diff` | `diff` | `diff` |
| `05_copy_back`, `12_undo` | `copy_back` | `copy_back`, `undo` |
| `06_report`, `14_clean_up` | `finish` | `report`, `clean_up` |
| `10_rollback_without_restore` | `change_log` | `rollback_without_restore` |
| `11_deleted_table`, `13_cut_over` | `adopt` | `deleted_table`, `cut_over` |
| `15_drill` | `drill` | `drill` |
| all of them | `session` | `session`, `gate` |

In a room, `<step>.py` is what cells call, `views.py` and `*_views.py` are cards, `*_picker.py` and `*_widget.py` are
controls.
"""

import sys

if "ipykernel" in sys.modules:
    # Every notebook imports from here first: from then on what goes wrong in it is shown as a card.
    from pitrkit.ui import error_display

    error_display.install()
