namespace KeyService.Server.Hosting;

/// <summary>The three modes a socket may have: who may connect. Who may call is the grants' matter.</summary>
internal static class UnixModes
{
    public const UnixFileMode Owner = UnixFileMode.UserRead | UnixFileMode.UserWrite;
    public const UnixFileMode OwnerAndGroup = Owner | UnixFileMode.GroupRead | UnixFileMode.GroupWrite;
    public const UnixFileMode Everybody = OwnerAndGroup | UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
}
