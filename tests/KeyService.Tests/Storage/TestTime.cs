namespace KeyService.Tests.Storage;

/// <summary>A clock that stands until a test moves it.</summary>
internal sealed class TestTime : TimeProvider
{
    private DateTimeOffset _now = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);

    public override DateTimeOffset GetUtcNow() => _now;

    public void Advance(TimeSpan by) => _now += by;
}
