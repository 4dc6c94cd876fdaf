# Makes the bytes of the tests: python3 make.py, with the packages grpcio-tools 1.85.1 and protobuf 7.36.2.
import os, subprocess, sys, tempfile

here = os.path.dirname(os.path.abspath(__file__))
out = tempfile.mkdtemp()
subprocess.check_call([
    sys.executable, "-m", "grpc_tools.protoc", "-I", here, "--python_out", out, "--include_imports",
    "--descriptor_set_out", os.path.join(here, "shop.desc"), os.path.join(here, "shop.proto"),
])
sys.path.insert(0, out)
import shop_pb2 as shop

basket = shop.Basket(
    id="550e8400-e29b-41d4-a716-446655440000", state=shop.PAID, user="ann", gift=False, total=10.5, mark=b"\xff\0",
    change=-3, stamp=5, access_token="t0p", share=0.1,
)
basket.items.add(sku="tea", price=750, sizes=[1, 300]).parent.sku = "drinks"
basket.items.add(sku="cup", price=-1)
basket.counts["b"] = 2
basket.counts["a"] = 0
basket.made.seconds = 1795994870
basket.kept.nanos = 500000000
basket.more.Pack(shop.BasketRequest(id="x"))
basket.best["tea"].price = 1
with open(os.path.join(here, "basket.bin"), "wb") as file:
    file.write(basket.SerializeToString(deterministic=True))
