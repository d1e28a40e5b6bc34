"""The tasks of the example with a folder for a broker: a module for `celery worker`, and `celery_app ORDERS`.

Run as a program, it asks for so many orders to be shipped.
"""

import os
import sys

from examples.celery_tasks import app, ship_order

FOLDER = os.environ["BROKER_FOLDER"]

app.conf.update(
    broker_url="filesystem://",
    broker_transport_options={
        "data_folder_in": FOLDER,
        "data_folder_out": FOLDER,
        "control_folder": f"{FOLDER}/control",
    },
)

if __name__ == "__main__":
    for number in range(int(sys.argv[1])):
        ship_order.delay(f"o-{number}", "tea-1", 2, f"u-{number}")
