"""Small PyTorch networks. PyTorch is imported when one is asked for, so that the module itself costs nothing."""

from __future__ import annotations

from typing import Any

from tests.support.frameworks import need


def layers(channels: int = 3, classes: int = 2) -> Any:
    """A network made of layers of `torch.nn` only."""
    torch = need("torch")
    nn = torch.nn
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(channels, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3, padding="same"),
        nn.LeakyReLU(),
        nn.Upsample(scale_factor=2, mode="bilinear"),
        nn.Dropout2d(),
        nn.Conv2d(8, classes, 1),
        nn.Softmax(dim=1),
    )


def unet(channels: int = 3, classes: int = 2) -> Any:
    """One level of a U-Net, with a class of its own, a buffer, a constant, and statistics that are not 0 and 1."""
    torch = need("torch")
    nn = torch.nn

    class Net(nn.Module):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8), nn.SiLU())
            self.inner = nn.Conv2d(8, 16, 3, padding=1, stride=2)
            self.up = nn.ConvTranspose2d(16, 8, 2, stride=2)
            self.last = nn.Conv2d(16, classes, 1)
            self.register_buffer("weights", torch.linspace(1, 2, classes).reshape(1, -1, 1, 1))
            self.shift = torch.full((1, classes, 1, 1), 0.25)

        def forward(self, x: Any) -> Any:
            first = self.first(x)
            up = self.up(torch.relu(self.inner(first)))
            scores = self.last(torch.cat([first, up], dim=1)) * self.weights + self.shift
            return torch.softmax(scores, dim=1)

    torch.manual_seed(0)
    net = Net()
    with torch.no_grad():
        net.train()(torch.rand(4, channels, 16, 16) * 3)
    return net


def exported(module: Any, *shape: int, batch: bool = True) -> Any:
    """The module as a `torch.export.ExportedProgram`, for any batch or for exactly this one."""
    torch = need("torch")
    dims = ({0: torch.export.Dim("batch")},) if batch else None
    return torch.export.export(module.eval(), (torch.zeros(*shape),), dynamic_shapes=dims)
