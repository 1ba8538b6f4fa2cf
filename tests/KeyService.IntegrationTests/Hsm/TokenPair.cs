namespace KeyService.IntegrationTests.Hsm;

/// <summary>
/// Two tokens of one installation, of the same module or not. One is closed before the other is opened: a module knows one directory in a process. Use as class
/// fixture.
/// </summary>
public abstract class TokenPair(TokenDirectory maker, TokenDirectory peer) : IDisposable
{
    internal TokenDirectory Maker => maker;

    internal TokenDirectory Peer => peer;

    public void Dispose()
    {
        maker.Dispose();
        peer.Dispose();
        GC.SuppressFinalize(this);
    }
}

/// <summary>A token of one module that makes keys, and one of another that takes them in.</summary>
public sealed class TokenPair<TMaker, TPeer>() : TokenPair(new TMaker(), new TPeer())
    where TMaker : TokenDirectory, new()
    where TPeer : TokenDirectory, new();
