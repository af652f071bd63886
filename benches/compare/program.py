# /// script
# dependencies = ["tabulate"]
# ///
import tabulate

print(tabulate.__version__)
