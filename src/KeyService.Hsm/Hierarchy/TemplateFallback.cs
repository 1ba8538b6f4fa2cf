using KeyService.Hsm.Pkcs11;
using Net.Pkcs11Interop.Common;

namespace KeyService.Hsm.Hierarchy;

/// <summary>Makes a token key with the whole template, or with as much of it as the module takes.</summary>
internal static class TemplateFallback
{
    internal static KeyHandle Make(Func<TemplateReach, KeyHandle> make)
    {
        for (var reach = TemplateReach.Whole; ; reach++)
        {
            try
            {
                return make(reach);
            }
            catch (HsmException exception) when (reach != TemplateReach.WithoutCopyable && IsRefusal(exception.ReturnCode))
            {
                // An attribute it does not know. NSS says GENERAL_ERROR, when its database has no column for it.
            }
        }
    }

    private static bool IsRefusal(ulong code) => (CKR)(uint)code is CKR.CKR_ATTRIBUTE_TYPE_INVALID or CKR.CKR_ATTRIBUTE_VALUE_INVALID
        or CKR.CKR_TEMPLATE_INCONSISTENT or CKR.CKR_TEMPLATE_INCOMPLETE or CKR.CKR_GENERAL_ERROR or CKR.CKR_FUNCTION_FAILED;
}
