using System.Security.Cryptography;
using System.Text;
using KeyService.Client;
using KeyService.Crypto.IO;

namespace KeyService.Cli.Sessions;

/// <summary>
/// Where the token of a profile's open session is kept: a file of the user alone, in $XDG_RUNTIME_DIR, which is gone with the login, otherwise under
/// ~/.config. Read only when nobody else can read it.
/// </summary>
internal sealed class SessionFile
{
    private const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    private const UnixFileMode OwnersDirectory = Owner | UnixFileMode.UserExecute;
    private const int TokenLength = 32;
    private const int NameDigits = 16;

    private SessionFile(string path) => Path = path;

    public string Path { get; }

    /// <summary>One for each profile.</summary>
    public static SessionFile Of(ClientProfile profile)
    {
        var name = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(profile.Path)))[..NameDigits];
        return new SessionFile(System.IO.Path.Combine(Directory(), $"session-{name}"));
    }

    /// <summary>The token; null when none is kept, or not as it should be.</summary>
    public byte[]? Read()
    {
        if (!File.Exists(Path) || (File.GetUnixFileMode(Path) & ~Owner) != 0)
        {
            return null;
        }
        var token = File.ReadAllBytes(Path);
        return token.Length == TokenLength ? token : null;
    }

    public void Write(ReadOnlySpan<byte> token)
    {
        System.IO.Directory.CreateDirectory(System.IO.Path.GetDirectoryName(Path)!, OwnersDirectory);
        DurableFile.WriteAllBytes(Path, token, Owner);
    }

    public void Remove() => File.Delete(Path);

    private static string Directory()
    {
        var root = Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } runtime ? runtime
            : Environment.GetEnvironmentVariable("XDG_CONFIG_HOME") is { Length: > 0 } config ? config
            : System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".config");
        return System.IO.Path.Combine(root, "keyservice");
    }
}
