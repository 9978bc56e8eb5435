import pytest
import torch
import torch.nn.functional as F

from labeleff.training.kernels import matrix_products

FACTS = "vendor_id : {}"


@pytest.fixture
def ours(monkeypatch):
    """oneDNN's products, wherever the test runs."""
    if not matrix_products.onednn_callable():
        pytest.skip("this torch has no such product")
    monkeypatch.setattr(matrix_products, "onednn_is_faster", lambda: True)


@pytest.mark.parametrize("few", [0, 256])
@pytest.mark.parametrize(("inside", "outside"), [(5, 7), (96, 24), (24, 144), (1, 3)])
def test_products_and_their_gradients_are_those_of_torch(inside, outside, few, ours, monkeypatch):
    monkeypatch.setattr(matrix_products, "FEW_ROWS", few)
    generator = torch.Generator().manual_seed(inside)
    rows = torch.randn(2, 3, 4, inside, generator=generator, requires_grad=True)
    weight = torch.randn(outside, inside, generator=generator, requires_grad=True)
    found = []
    for product in (F.linear, matrix_products.linear):
        output = product(rows, weight)
        found.append((output, *torch.autograd.grad(output.sin().sum(), (rows, weight))))
    assert found[1][0].grad_fn.name() != found[0][0].grad_fn.name()
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)


def test_weights_that_are_frozen_cost_nothing(ours):
    rows, weight = torch.randn(6, 4, requires_grad=True), torch.randn(5, 4)
    matrix_products.linear(rows, weight).sum().backward()
    torch.testing.assert_close(rows.grad, weight.sum(0).expand(6, 4))


def test_other_types_and_autocast_are_left_to_torch(ours, monkeypatch):
    monkeypatch.setattr(matrix_products._Linear, "apply", None)
    matrix_products.linear(torch.randn(2, 3, dtype=torch.double), torch.randn(4, 3, dtype=torch.double))
    with torch.autocast("cpu", torch.bfloat16):
        assert matrix_products.linear(torch.randn(2, 3), torch.randn(4, 3)).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("vendor", "capability", "leads"),
    [
        ("AuthenticAMD", "AVX512", True),
        ("GenuineIntel", "AVX512", False),
        ("AuthenticAMD", "AVX2", False),
    ],
)
def test_which_library_leads(vendor, capability, leads, monkeypatch):
    monkeypatch.setattr(matrix_products, "cpu_info", lambda: FACTS.format(vendor))
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    monkeypatch.setattr(matrix_products, "onednn_callable", lambda: True)
    matrix_products.onednn_is_faster.cache_clear()
    try:
        assert matrix_products.onednn_is_faster() == leads
    finally:
        matrix_products.onednn_is_faster.cache_clear()


def test_a_torch_without_the_product_does_without(monkeypatch):
    def missing(*_):
        raise AttributeError("no such operator")

    monkeypatch.setattr(matrix_products, "_product", missing)
    assert not matrix_products.onednn_callable()


@pytest.mark.parametrize("by_onednn", [True, False])
@pytest.mark.parametrize("summed", [True, False])
def test_bias_and_sum_are_added_by_either_library(monkeypatch, by_onednn, summed):
    if by_onednn and not matrix_products._onednn_adds():
        pytest.skip("this torch's oneDNN doesn't add")
    monkeypatch.setattr(matrix_products, "_onednn_adds", lambda: by_onednn)
    rows, weight, bias, added = (torch.randn(*shape) for shape in ((7, 5), (3, 5), (3,), (7, 3)))
    before = added.clone()
    expected = rows @ weight.T + bias + (added if summed else 0)
    torch.testing.assert_close(matrix_products.biased(rows, weight, bias, added if summed else None), expected)
    assert torch.equal(added, before)
